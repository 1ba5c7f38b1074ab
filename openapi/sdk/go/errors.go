package roadbed

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Error is a problem that the service answered with (RFC 9457). Code is stable, and DocURL opens the page about it.
//
//	var problem *roadbed.Error
//	if errors.As(err, &problem) && problem.Code == "not_found" { … }
type Error struct {
	Status     int
	Code       string
	Title      string
	Detail     string
	RequestID  string
	DocURL     string
	Errors     []FieldError
	RetryAfter *time.Duration
	Response   *http.Response // its body has been read
}

// FieldError is what is wrong with one field, header or parameter. Name is a JSON pointer for a field.
type FieldError struct {
	Code    string
	Message string
	Type    string
	Name    string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%d %s: %s (request %s)", e.Status, e.Code, first(e.Detail, e.Title), first(e.RequestID, "?"))
}

// IsCode tells whether err is a problem with this code.
func IsCode(err error, code string) bool {
	var problem *Error
	return errors.As(err, &problem) && problem.Code == code
}

// NotModified is 304: what you have, by the If-None-Match that you sent, is current.
type NotModified struct {
	ETag     string
	Response *http.Response
}

func (e *NotModified) Error() string { return "304: it is still at version " + e.ETag + "." }

// ConnectionError: no whole answer came. It was refused, reset, cut short or no JSON. Err is the reason.
type ConnectionError struct {
	OperationID string
	Attempt     int
	Err         error
}

func (e *ConnectionError) Error() string {
	return fmt.Sprintf("%s: no whole answer at attempt %d (%v)", e.OperationID, e.Attempt, e.Err)
}

func (e *ConnectionError) Unwrap() error { return e.Err }

func problemOf(response *http.Response, body []byte) *Error {
	var told struct {
		Type      string `json:"type"`
		Title     string `json:"title"`
		Detail    string `json:"detail"`
		Code      string `json:"code"`
		RequestID string `json:"request_id"`
		Errors    []struct {
			Code    string `json:"code"`
			Message string `json:"message"`
			Target  struct {
				Type string `json:"type"`
				Name string `json:"name"`
			} `json:"target"`
		} `json:"errors"`
	}
	_ = json.Unmarshal(body, &told) // a page of a proxy on the way is no problem of ours, and has no code
	problem := &Error{
		Status: response.StatusCode, Code: first(told.Code, "unknown"), Title: first(told.Title, response.Status),
		Detail: told.Detail, DocURL: told.Type, RetryAfter: retryAfter(response), Response: response,
		RequestID: first(told.RequestID, response.Header.Get("Request-Id")),
	}
	for _, each := range told.Errors {
		problem.Errors = append(problem.Errors, FieldError{each.Code, each.Message, each.Target.Type, each.Target.Name})
	}
	return problem
}

// retryAfter reads seconds or a date; nil when there is nothing that can be read.
func retryAfter(response *http.Response) *time.Duration {
	given := strings.TrimSpace(response.Header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(given, 10, 31); err == nil {
		return Ptr(time.Duration(seconds) * time.Second)
	}
	if at, err := http.ParseTime(given); err == nil {
		return Ptr(max(0, time.Until(at)))
	}
	return nil
}
