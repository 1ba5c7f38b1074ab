package roadbed

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"
)

const (
	firstWait         = 500 * time.Millisecond
	longestWait       = 8 * time.Second
	longestRetryAfter = time.Minute // a service that asks for more has an error for the caller, not a sleep
	mostAnswer        = 1 << 28     // bytes
)

// send is what the generated methods call. An attempt that got no whole answer, or 408, 429 or 5xx, or 409 while the
// first attempt still runs, is made again: after the time of Retry-After, or after a random part of 0.5 s that doubles
// up to 8 s. A POST carries one idempotency key through all its attempts, so that it happens once.
func send(ctx context.Context, config *Config, spec requestSpec) (*http.Response, error) {
	asked, retries := of(ctx), config.Retry.Retries
	if asked.retries != nil {
		retries = *asked.retries
	}
	method := strings.ToUpper(spec.Method)
	header := http.Header{}
	header.Set("Accept", first(accept[spec.OperationID], "application/json"))
	for _, given := range []map[string]string{config.Headers, spec.Headers, asked.headers} {
		for name, value := range given {
			header.Set(name, value)
		}
	}
	if method == http.MethodPost && header.Get("Idempotency-Key") == "" {
		if asked.key == nil {
			header.Set("Idempotency-Key", newKey())
		} else if *asked.key != "" {
			header.Set("Idempotency-Key", *asked.key)
		}
	}
	// A merge patch made twice gives the same, as a PUT and a DELETE do.
	repeatable := method != http.MethodPost || header.Get("Idempotency-Key") != ""
	body, err := content(spec, asked.nulls)
	if err != nil {
		return nil, err
	}
	if body != nil && header.Get("Content-Type") == "" {
		header.Set("Content-Type", first(spec.ContentType, "application/json"))
	}
	address := spec.URL
	if len(spec.Query) > 0 {
		address += "?" + spec.Query.Encode()
	}
	for attempt := 1; ; attempt++ {
		response, told, failure := attemptOnce(ctx, config, spec.OperationID, attempt, method, address, header, body)
		if asked.response != nil && response != nil {
			theirs := *response
			theirs.Body = io.NopCloser(bytes.NewReader(told)) // the methods read their own
			*asked.response = &theirs
		}
		if failure == nil {
			return response, nil
		}
		wait, worth := pause(failure, attempt, repeatable)
		if attempt > retries || !worth {
			return nil, failure
		}
		select { // a context that is done ends the wait, too
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// attemptOnce gives an answer with its body, which is in memory, and what is wrong with it. A stream is left to be read.
func attemptOnce(
	ctx context.Context, config *Config, name string, attempt int, method, address string, header http.Header, body []byte,
) (*http.Response, []byte, error) {
	streams := header.Get("Accept") == "text/event-stream"
	limited, cancel := ctx, context.CancelFunc(func() {})
	if !streams {
		limited, cancel = context.WithTimeout(ctx, config.Timeout)
	}
	defer cancel()
	request, err := http.NewRequestWithContext(limited, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	request.Header = header.Clone()
	response, err := config.HTTPClient.Do(request)
	if err != nil {
		return nil, nil, unanswered(ctx, config, name, attempt, err)
	}
	if streams && response.StatusCode < 300 {
		return response, nil, nil
	}
	defer response.Body.Close()
	told, err := io.ReadAll(io.LimitReader(response.Body, mostAnswer))
	if err != nil {
		return nil, nil, unanswered(ctx, config, name, attempt, err)
	}
	response.Body = io.NopCloser(bytes.NewReader(told))
	switch {
	case response.StatusCode == http.StatusNotModified:
		return response, told, &NotModified{ETag: response.Header.Get("Etag"), Response: response}
	case response.StatusCode < 200 || response.StatusCode > 299:
		return response, told, problemOf(response, told)
	case isJSON(response) && !json.Valid(told):
		return response, told, &ConnectionError{name, attempt, errors.New("the JSON is cut short")}
	}
	return response, told, nil
}

func unanswered(ctx context.Context, config *Config, name string, attempt int, err error) error {
	if ctx.Err() != nil {
		return ctx.Err() // the caller's own end, which is no fault of the service
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &TimeoutError{OperationID: name, Timeout: config.Timeout, Attempt: attempt}
	}
	return &ConnectionError{name, attempt, err}
}

// pause is how long to wait before the next attempt, and whether that is worth it.
func pause(failure error, attempt int, repeatable bool) (time.Duration, bool) {
	var problem *Error
	if errors.As(failure, &problem) {
		again := problem.Status == 429 || repeatable && (problem.Status == 408 || problem.Status >= 500) ||
			problem.Status == 409 && problem.Code == "idempotency_in_progress"
		if !again || problem.RetryAfter != nil && *problem.RetryAfter > longestRetryAfter {
			return 0, false
		}
		if problem.RetryAfter != nil {
			return *problem.RetryAfter, true
		}
	} else {
		var lost *ConnectionError
		var late *TimeoutError
		if !repeatable || !errors.As(failure, &lost) && !errors.As(failure, &late) {
			return 0, false
		}
	}
	ceiling := min(longestWait, firstWait<<min(attempt-1, 10))
	part, err := rand.Int(rand.Reader, big.NewInt(int64(ceiling)))
	if err != nil {
		return ceiling, true
	}
	return time.Duration(part.Int64()), true
}

// content is the body in JSON, with the nulls that were asked for.
func content(spec requestSpec, nulls []string) ([]byte, error) {
	if spec.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(spec.Body)
	if err != nil || len(nulls) == 0 {
		return body, err
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, err
	}
	for _, name := range nulls {
		fields[name] = json.RawMessage("null")
	}
	return json.Marshal(fields)
}

func newKey() string {
	raw := make([]byte, 16)
	_, _ = rand.Read(raw) // it never fails, and Go ends the program if it does
	return fmt.Sprintf("%x", raw)
}

// decodeJSON is what the generated methods read answers with: JSON into its model, text as it is.
func decodeJSON(response *http.Response, target any) error {
	defer response.Body.Close()
	if target == nil {
		return nil
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if isJSON(response) {
		return json.Unmarshal(body, target)
	}
	switch out := target.(type) {
	case *string:
		*out = string(body)
	case *any:
		*out = string(body)
	default:
		if len(body) > 0 {
			return fmt.Errorf("the answer is %s, not JSON", response.Header.Get("Content-Type"))
		}
	}
	return nil
}

func isJSON(response *http.Response) bool {
	kind, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	kind = strings.TrimSpace(kind)
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}

// setAll is for the parameters of lists: each value of several by itself.
func setAll(query url.Values, name string, value any) {
	several := reflect.ValueOf(value)
	if several.Kind() != reflect.Slice {
		query.Set(name, fmt.Sprint(value))
		return
	}
	for place := range several.Len() {
		query.Add(name, fmt.Sprint(several.Index(place)))
	}
}
