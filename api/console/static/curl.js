// A call as a line for a shell. The key is not in it: `$KEY` stands for it.

/** `entry` has the method, the whole address, and the headers and body that were sent. */
export function asCurl({ method, url, keyed, headers = {}, body = null }) {
  const parts = [`curl ${method === "GET" ? "" : `-X ${method} `}${quoted(url)}`];
  if (keyed) parts.push('-H "Authorization: Bearer $KEY"');
  for (const [name, value] of Object.entries(headers)) parts.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (body !== null) parts.push(`--data-raw ${quoted(body)}`);
  return parts.join(" \\\n  ");
}

/** Any text as one word of a POSIX shell. */
function quoted(text) {
  return `'${String(text).replaceAll("'", "'\\''")}'`;
}
