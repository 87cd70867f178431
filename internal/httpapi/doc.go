// Package httpapi is the HTTP API, version 1: routes, handlers, wire types and the mapping of errors to problems.
//
// All routes are in routes.go. The description at /openapi.json is generated from them, and /docs from the description, without
// anything from another host. Answers are JSON; errors are problems (RFC 9457) of the kinds listed in problem.go, each explained
// at /problems/<name>. [problemOf] is the one place that decides which error is which problem.
//
// # What a request passes
//
//	request id --> access log --> recovery --> lingering close --> route --> key or ticket --> handler
//
// Query strings are never logged: they may hold tickets. Problems never repeat what the client sent.
//
// # Uploads
//
// The form of POST /v1/evaluations is read as it arrives, never more than the limit, and not by the framework, which would
// ignore the limit. A client that is refused before it has sent everything still gets the answer: most clients read it only after they
// have written the last byte, and would see a reset connection instead if the server closed at once. So the server reads
// on for a moment, into nothing ([linger]).
//
// # Time limits
//
// [NewServer] gives a request a minute to arrive and two to be answered; connections that stream progress lift both.
package httpapi
