package roadbed

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	tolerance      = 300 * time.Second
	mostSignatures = 64
	mostSecrets    = 64
)

var (
	messageID = regexp.MustCompile(`\A[A-Za-z0-9_\-]{1,128}\z`)
	seconds   = regexp.MustCompile(`\A[0-9]{1,12}\z`)
)

// VerificationError: the request is not what the sender signed, or not now. Code is stable; answer 400, do nothing.
type VerificationError struct {
	Code    string
	Message string
}

func (e *VerificationError) Error() string { return e.Code + ": " + e.Message }

// WebhookEvent is a verified event. ID is the same each time it is sent: handle each once. Event is a pointer to the
// contract's type for it, such as *DecisionRecordedEvent, and nil when this version of the client knows none.
type WebhookEvent struct {
	ID      string
	Type    string
	Event   any
	Payload json.RawMessage
}

// VerifyWebhook gives the event, if one of the secrets (whsec_… or whpk_…) signed these bytes within five minutes of
// now. Give the raw bytes of the body. The only error is a *VerificationError, with the codes of the other clients.
func VerifyWebhook(header http.Header, body []byte, secrets ...string) (*WebhookEvent, error) {
	return VerifyWebhookAt(time.Now(), header, body, secrets...)
}

// VerifyWebhookAt is VerifyWebhook at another time than now.
func VerifyWebhookAt(now time.Time, header http.Header, body []byte, secrets ...string) (*WebhookEvent, error) {
	id, timestamp, signature := "", "", ""
	for name, into := range map[string]*string{
		"Webhook-Id": &id, "Webhook-Timestamp": &timestamp, "Webhook-Signature": &signature,
	} {
		values := header.Values(name)
		if len(values) == 0 {
			return nil, &VerificationError{"header_missing", strings.ToLower(name) + " is missing."}
		}
		*into = strings.Trim(values[0], " \t")
		if len(values) > 1 || *into == "" {
			return nil, &VerificationError{"header_malformed", strings.ToLower(name) + " is empty, or given twice."}
		}
	}
	if !messageID.MatchString(id) {
		return nil, &VerificationError{"header_malformed", "webhook-id is not 1 to 128 of A-Z a-z 0-9 _ -."}
	}
	if err := checkClock(timestamp, now); err != nil {
		return nil, err
	}
	if err := checkSignature([]byte(id+"."+timestamp+"."+string(body)), signature, secrets); err != nil {
		return nil, err
	}
	return eventOf(id, body)
}

func checkClock(timestamp string, now time.Time) error {
	if !seconds.MatchString(timestamp) {
		return &VerificationError{"timestamp_malformed", "webhook-timestamp is not whole unix seconds."}
	}
	at, _ := strconv.ParseInt(timestamp, 10, 64) // twelve digits at most
	switch age := now.Sub(time.Unix(at, 0)); {
	case age > tolerance:
		return &VerificationError{"timestamp_too_old", "It was signed too long ago: a replay, or a clock is wrong."}
	case age < -tolerance:
		return &VerificationError{"timestamp_in_future", "It was signed in the future: a clock is wrong."}
	}
	return nil
}

func checkSignature(signed []byte, given string, secrets []string) error {
	entries := strings.Fields(given)
	if len(entries) > mostSignatures {
		return &VerificationError{"too_many_signatures", "webhook-signature holds more than 64 signatures."}
	}
	if len(secrets) == 0 || len(secrets) > mostSecrets {
		return &VerificationError{"secret_malformed", "Give 1 to 64 secrets."}
	}
	known, malformed, fits := false, false, false
	for _, secret := range secrets {
		prefix, encoded, _ := strings.Cut(secret, "_")
		key, err := base64.StdEncoding.Strict().DecodeString(encoded)
		shared, public := prefix == "whsec" && len(key) >= 24 && len(key) <= 64, prefix == "whpk" && len(key) == 32
		if err != nil || !shared && !public {
			return &VerificationError{
				"secret_malformed", "A secret is whsec_ and base64 of 24 to 64 bytes, or whpk_ and base64 of 32.",
			}
		}
		mac := hmac.New(sha256.New, key)
		mac.Write(signed)
		expected := mac.Sum(nil)
		// Every pair is compared, in constant time, so that the time taken tells nothing.
		for _, entry := range entries {
			kind, text, _ := strings.Cut(entry, ",")
			length, ours := map[string]int{"v1": 32, "v1a": 64}[kind]
			if !ours {
				continue
			}
			raw, err := base64.StdEncoding.Strict().DecodeString(text)
			if err != nil || len(raw) != length {
				malformed = true
				continue
			}
			known = true
			if kind == "v1" && shared && hmac.Equal(expected, raw) || kind == "v1a" && public && ed25519.Verify(key, signed, raw) {
				fits = true
			}
		}
	}
	switch {
	case fits:
		return nil
	case malformed:
		return &VerificationError{"signature_malformed", "A signature is not base64 of the right length."}
	case !known:
		return &VerificationError{"no_known_version", "webhook-signature holds no v1 or v1a signature."}
	}
	return &VerificationError{
		"no_matching_signature", "No secret given signed these bytes. Is the body raw, and the secret this endpoint's?",
	}
}

func eventOf(id string, body []byte) (*WebhookEvent, error) {
	var head struct {
		Type *string `json:"type"`
	}
	if err := json.Unmarshal(body, &head); err != nil || head.Type == nil {
		return nil, &VerificationError{"body_malformed", "It is signed, but not an event."}
	}
	event := &WebhookEvent{ID: id, Type: *head.Type, Payload: body}
	if model, known := eventTypes[*head.Type]; known {
		typed := reflect.New(reflect.TypeOf(model)).Interface()
		if json.Unmarshal(body, typed) == nil { // else it is a newer one, signed by Roadbed all the same
			event.Event = typed
		}
	}
	return event, nil
}
