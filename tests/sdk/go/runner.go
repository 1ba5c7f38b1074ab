// Runs the cases with the Go client: the work on stdin, a line for each case. It knows the client and nothing of what is
// expected: test_conformance.py judges.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"

	"roadbed"
)

const atOnce = 6

type object = map[string]json.RawMessage

type webhook struct {
	Headers map[string]string `json:"headers"`
	Body    []byte            `json:"body"`
	Secrets []string          `json:"secrets"`
	Now     *int64            `json:"now"`
}

type example struct {
	Name   string            `json:"name"`
	Key    string            `json:"key"`
	URL    string            `json:"url"`
	Steps  []json.RawMessage `json:"steps"`
	Client struct {
		APIKey     string   `json:"api_key"`
		MaxRetries *int     `json:"max_retries"`
		TimeoutS   *float64 `json:"timeout_s"`
	} `json:"client"`
}

type step struct {
	Call    string          `json:"call"`
	Path    json.RawMessage `json:"path"`
	Query   object          `json:"query"`
	Body    json.RawMessage `json:"body"`
	Verify  string          `json:"verify"`
	Save    string          `json:"save"`
	APIKey  string          `json:"api_key"`
	Items   bool            `json:"items"`
	Pages   bool            `json:"pages"`
	First   bool            `json:"first"`
	Raw     bool            `json:"raw"`
	Options struct {
		Headers        map[string]string `json:"headers"`
		IdempotencyKey any               `json:"idempotency_key"`
		Retries        *int              `json:"retries"`
	} `json:"options"`
}

var work struct {
	Cases    []example          `json:"cases"`
	Webhooks map[string]webhook `json:"webhooks"`
}

func main() {
	must(json.NewDecoder(os.Stdin).Decode(&work))
	lines := make([]string, len(work.Cases))
	slots, group := make(chan struct{}, atOnce), sync.WaitGroup{}
	for place, one := range work.Cases {
		group.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; group.Done() }()
			lines[place] = run(one)
		}()
	}
	group.Wait()
	fmt.Println(strings.Join(lines, "\n"))
}

func run(one example) string {
	saved, outcomes := map[string]object{}, []map[string]any{}
	for _, raw := range one.Steps {
		var todo step
		must(json.Unmarshal(filled(raw, saved), &todo))
		begun := time.Now()
		outcome, err := outcomeOf(todo, one)
		if err != nil {
			outcome = map[string]any{"error": told(err)}
		}
		outcome["took_s"] = time.Since(begun).Seconds()
		if todo.Save != "" {
			kept := object{}
			_ = json.Unmarshal(encoded(outcome["data"]), &kept)
			saved[todo.Save] = kept
		}
		outcomes = append(outcomes, outcome)
	}
	return string(encoded(map[string]any{"name": one.Name, "outcomes": outcomes}))
}

func outcomeOf(todo step, one example) (map[string]any, error) {
	if todo.Verify != "" {
		return verified(work.Webhooks[todo.Verify])
	}
	options := roadbed.Options{APIKey: one.Key, BaseURL: one.URL}
	if one.Client.APIKey != "" {
		options.APIKey = one.Client.APIKey
	}
	if todo.APIKey != "" {
		options.APIKey = todo.APIKey
	}
	if retries := one.Client.MaxRetries; retries != nil {
		options.MaxRetries = *retries
		if *retries == 0 {
			options.MaxRetries = roadbed.NoRetries
		}
	}
	if limit := one.Client.TimeoutS; limit != nil {
		options.Timeout = time.Duration(*limit * float64(time.Second))
	}
	return called(roadbed.Connect(options), todo)
}

func called(client *roadbed.Client, todo step) (map[string]any, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var response *http.Response
	ctx = roadbed.WithResponse(ctx, &response)
	for name, value := range todo.Options.Headers {
		ctx = roadbed.WithHeader(ctx, name, value)
	}
	if key, given := todo.Options.IdempotencyKey.(string); given {
		ctx = roadbed.WithIdempotencyKey(ctx, key)
	} else if todo.Options.IdempotencyKey == false {
		ctx = roadbed.WithIdempotencyKey(ctx, "")
	}
	if todo.Options.Retries != nil {
		ctx = roadbed.WithRetries(ctx, *todo.Options.Retries)
	}
	fields := object{}
	_ = json.Unmarshal(todo.Body, &fields)
	for name, value := range fields {
		if string(value) == "null" {
			ctx = roadbed.WithNull(ctx, name)
		}
	}
	name := pascal(todo.Call)
	if todo.Items {
		name += "Items"
	}
	if todo.Pages {
		name += "Pages"
	}
	method := reflect.ValueOf(client).MethodByName(name)
	results := method.Call(arguments(ctx, method.Type(), todo))
	if results[0].Kind() == reflect.Func {
		return walked(results[0], todo.First)
	}
	if err, failed := results[len(results)-1].Interface().(error); failed {
		if response != nil && strings.HasPrefix(response.Header.Get("Content-Type"), "text/") && response.StatusCode < 300 {
			text, readErr := io.ReadAll(response.Body) // a model cannot hold it: the raw response does
			return map[string]any{"data": string(text)}, readErr
		}
		return nil, err
	}
	if todo.Raw {
		headers := map[string]string{}
		for name := range response.Header {
			headers[strings.ToLower(name)] = response.Header.Get(name)
		}
		return map[string]any{"status": response.StatusCode, "headers": headers}, nil
	}
	if len(results) == 1 {
		return map[string]any{"data": nil}, nil
	}
	return map[string]any{"data": results[0].Interface()}, nil
}

// walked counts what an iterator yields, or gives the first of a stream.
func walked(sequence reflect.Value, onlyFirst bool) (map[string]any, error) {
	count, outcome := 0, map[string]any{}
	var failure error
	yield := reflect.MakeFunc(sequence.Type().In(0), func(given []reflect.Value) []reflect.Value {
		if err, failed := given[1].Interface().(error); failed {
			failure = err
			return []reflect.Value{reflect.ValueOf(false)}
		}
		count++
		if event, streams := given[0].Interface().(roadbed.ServerSentEvent); streams {
			if event.Data == nil || event.Data == "" {
				return []reflect.Value{reflect.ValueOf(true)}
			}
			outcome["data"] = map[string]any{"event": event.Event, "data": event.Data}
		}
		return []reflect.Value{reflect.ValueOf(!onlyFirst)}
	})
	sequence.Call([]reflect.Value{yield})
	if !onlyFirst {
		outcome["count"] = count
	}
	return outcome, failure
}

// arguments are the path's in their order, then the query as a pointer, then the body.
func arguments(ctx context.Context, method reflect.Type, todo step) []reflect.Value {
	given, path := []reflect.Value{reflect.ValueOf(ctx)}, inOrder(todo.Path)
	for place := 1; place < method.NumIn(); place++ {
		kind := method.In(place)
		value := reflect.New(kind)
		switch {
		case kind.Kind() == reflect.String:
			value.Elem().SetString(path[0])
			path = path[1:]
		case kind.Kind() == reflect.Pointer && strings.HasSuffix(kind.Elem().Name(), "Params"):
			named := object{}
			for name, said := range todo.Query {
				named[pascal(name)] = said
			}
			must(json.Unmarshal(encoded(named), value.Interface()))
		case todo.Body != nil:
			must(json.Unmarshal(todo.Body, value.Interface()))
		}
		given = append(given, value.Elem())
	}
	return given
}

func inOrder(raw json.RawMessage) []string {
	if raw == nil {
		return nil
	}
	values, decoder := []string{}, json.NewDecoder(bytes.NewReader(raw))
	for number := 0; ; number++ {
		token, err := decoder.Token()
		if err != nil {
			return values
		}
		if text, said := token.(string); said && number%2 == 0 {
			values = append(values, text)
		}
	}
}

func verified(given webhook) (map[string]any, error) {
	header, now := http.Header{}, time.Now()
	for name, value := range given.Headers {
		header.Add(name, value) // two that differ in case are one given twice
	}
	if given.Now != nil {
		now = time.Unix(*given.Now, 0)
	}
	event, err := roadbed.VerifyWebhookAt(now, header, given.Body, given.Secrets...)
	if err != nil {
		return nil, err
	}
	if event.Event == nil {
		return map[string]any{"data": event.Payload, "class": "UnknownEvent"}, nil
	}
	return map[string]any{"data": event.Event, "class": reflect.TypeOf(event.Event).Elem().Name()}, nil
}

func told(err error) map[string]any {
	var problem *roadbed.Error
	var same *roadbed.NotModified
	var late *roadbed.TimeoutError
	var lost *roadbed.ConnectionError
	var wrong *roadbed.VerificationError
	fields := map[string]any{"message": err.Error(), "fields": []string{}}
	named := func(class string, kinds ...string) map[string]any {
		fields["class"], fields["kinds"] = class, append(kinds, class)
		return fields
	}
	switch {
	case errors.As(err, &problem):
		targets := []string{}
		for _, each := range problem.Errors {
			targets = append(targets, each.Name)
		}
		fields["fields"], fields["status"], fields["code"], fields["detail"] = targets, problem.Status, problem.Code, problem.Detail
		fields["request_id"], fields["doc_url"] = problem.RequestID, problem.DocURL
		if problem.RetryAfter != nil {
			fields["retry_after_s"] = problem.RetryAfter.Seconds()
		}
		return named(pascal(problem.Code), "APIError", "RoadbedError")
	case errors.As(err, &same):
		fields["etag"] = same.ETag
		return named("NotModified", "RoadbedError")
	case errors.As(err, &late):
		return named("APITimeoutError", "APIConnectionError")
	case errors.As(err, &lost):
		return named("APIConnectionError")
	case errors.As(err, &wrong):
		fields["code"] = wrong.Code
		return named("WebhookVerificationError")
	}
	return named("unforeseen")
}

// filled has `$name.field` replaced by what an earlier step saved.
func filled(raw json.RawMessage, saved map[string]object) json.RawMessage {
	for name, fields := range saved {
		for field, value := range fields {
			raw = bytes.ReplaceAll(raw, []byte(`"$`+name+"."+field+`"`), value)
		}
	}
	return raw
}

func pascal(name string) string {
	parts := strings.FieldsFunc(name, func(one rune) bool { return one == '_' || one == '.' })
	for place, part := range parts {
		parts[place] = strings.ToUpper(part[:1]) + part[1:]
	}
	return strings.Join(parts, "")
}

func encoded(value any) []byte {
	text, err := json.Marshal(value)
	must(err)
	return text
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
