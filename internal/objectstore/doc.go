// Package objectstore keeps recordings and synthesized audio in S3-compatible storage.
//
// It asks of the store only what all of them do: path-style addresses, signature version 4, and no checksums beyond those
// that S3 requires, since stores other than AWS refuse or ignore newer ones. Objects are small (at most some 10 MB) and go in one
// piece. Keys are chosen by callers; whoever writes an object again writes the same bytes.
//
// # Errors
//
//	evaluation.ErrNotFound     the object does not exist
//	evaluation.ErrUnavailable  the store cannot be reached, is too slow, answers 5xx or "slow down", or the bucket is missing:
//	                           the same call may work later
//	any other                  the store refuses: keys, clock or permissions are wrong. The error names the setting to check
//
// # Public URLs
//
// A signature holds for one host and port, so presigned URLs are made for Config.PublicEndpoint, which clients reach, while calls go to
// Config.Endpoint. Making one needs no call. Expiry is enforced by the store; the package removes nothing by itself.
package objectstore
