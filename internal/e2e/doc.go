// Package e2e holds the end-to-end tests: the real programs on real PostgreSQL, Redis and S3, used as clients use them, and
// killed as machines do.
package e2e
