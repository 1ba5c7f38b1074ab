// Package roadbed is the client of the Roadbed API: every operation of its contract is a method of Client.
//
//	client := roadbed.Connect(roadbed.Options{})
//	feature, err := client.CreateFeature(ctx, roadbed.FeatureCreate{Title: "Dark mode"})
//
// What one call needs beyond its arguments goes in with the context: see WithIdempotencyKey, WithHeader, WithRetries,
// WithNull and WithResponse.
package roadbed

import (
	"context"
	"net/http"
	"os"
	"strings"
	"time"
)

// NoRetries as Options.MaxRetries: the first failure is the error.
const NoRetries = -1

const (
	version        = "0.1.0"
	defaultRetries = 2
	defaultTimeout = 30 * time.Second
)

// Options of a client; the zero value is a good one.
type Options struct {
	APIKey     string        // ROADBED_API_KEY unless given
	BaseURL    string        // ROADBED_BASE_URL, or http://127.0.0.1:8000
	MaxRetries int           // more attempts after the first: 2 for 0, none for NoRetries
	Timeout    time.Duration // of each attempt: 30 s for 0
	HTTPClient *http.Client  // http.DefaultClient unless given; a redirect is no answer to either
	Headers    map[string]string
}

// Connect gives a client. It is safe for many goroutines, and holds nothing that must be closed.
func Connect(options Options) *Client {
	key := strings.TrimSpace(first(options.APIKey, os.Getenv("ROADBED_API_KEY"))) // one read from a file ends with its line
	origin := first(options.BaseURL, os.Getenv("ROADBED_BASE_URL"), "http://127.0.0.1:8000")
	headers := map[string]string{"User-Agent": "roadbed-go/" + version}
	for name, value := range options.Headers {
		headers[name] = value
	}
	retries, timeout := options.MaxRetries, options.Timeout
	if retries == 0 {
		retries = defaultRetries
	}
	if timeout == 0 {
		timeout = defaultTimeout
	}
	var inner http.Client
	if options.HTTPClient != nil {
		inner = *options.HTTPClient
	}
	inner.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	config := Config{
		ServerURL: strings.TrimRight(origin, "/") + "/v1", HTTPClient: &inner, Headers: headers,
		Timeout: timeout, Retry: RetryConfig{Retries: max(retries, 0)},
	}
	if key != "" {
		config.Auth.Bearer = func() string { return key }
	}
	return New(config)
}

// Ptr gives the address of a value, as optional fields and parameters want it.
func Ptr[T any](value T) *T { return &value }

type callKey struct{}

type call struct {
	key      *string
	headers  map[string]string
	retries  *int
	nulls    []string
	response **http.Response
}

func of(ctx context.Context) call {
	found, _ := ctx.Value(callKey{}).(call)
	return found
}

func with(ctx context.Context, change func(*call)) context.Context {
	changed := of(ctx)
	change(&changed)
	return context.WithValue(ctx, callKey{}, changed)
}

// WithIdempotencyKey sends a key of yours with the POSTs made under the context, where your own program may start again
// in between. Without it each call has a key of its own, kept through its attempts. With "" none is sent, and what may
// have been done is not sent again.
func WithIdempotencyKey(ctx context.Context, key string) context.Context {
	return with(ctx, func(c *call) { c.key = &key })
}

// WithHeader sends one more header, such as If-Match.
func WithHeader(ctx context.Context, name, value string) context.Context {
	return with(ctx, func(c *call) {
		headers := map[string]string{name: value}
		for other, said := range c.headers {
			if other != name {
				headers[other] = said
			}
		}
		c.headers = headers
	})
}

// WithRetries makes so many more attempts, and 0 makes none.
func WithRetries(ctx context.Context, retries int) context.Context {
	return with(ctx, func(c *call) { c.retries = &retries })
}

// WithNull sends null for these fields of the body, which removes them in a PATCH. A field that is nil is not sent.
func WithNull(ctx context.Context, fields ...string) context.Context {
	return with(ctx, func(c *call) { c.nulls = append(append([]string{}, c.nulls...), fields...) })
}

// WithResponse leaves the raw response of the call in `response`; its body is still to be read, from memory.
func WithResponse(ctx context.Context, response **http.Response) context.Context {
	return with(ctx, func(c *call) { c.response = response })
}

func first(values ...string) string {
	for _, value := range values {
		if value != "" {
			return value
		}
	}
	return ""
}
