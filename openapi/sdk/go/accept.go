// Written by `./run sdk` from openapi/v1.json. Do not edit.

package roadbed

var accept = map[string]string{
	"get_decision_markdown": "text/markdown",
	"get_prd_markdown":      "text/markdown",
	"get_sync_markdown":     "text/markdown",
	"lint_markdown_sarif":   "application/sarif+json",
	"lint_prd_sarif":        "application/sarif+json",
	"pitch_debt_markdown":   "text/markdown",
}
