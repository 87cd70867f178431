package objectstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"oktalk/internal/evaluation"
)

// translate turns an error of the library into one of the domain; ctx is that of the call.
func (s *Store) translate(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return fmt.Errorf("%s: %w", op, context.Canceled)
	}
	code, message, status := "", "", 0
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code, message = api.ErrorCode(), api.ErrorMessage()
	}
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		status = response.HTTPStatusCode()
	}
	switch {
	case status == 0 && code == "": // no answer: refused, timed out, cut off, no route, no such host
		return s.unavailable(op, s.noAnswer(err))
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return s.unavailable(op, fmt.Sprintf("it answered %d %s %s", status, code, message))
	case status == http.StatusForbidden && code == "Forbidden": // an answer to HEAD has no body to say more
		code = "AccessDenied"
	}
	return s.translateCode(op, code, message)
}

// translateCode turns an error code of S3 into an error of the domain (AWS, "Error responses").
func (s *Store) translateCode(op, code, message string) error {
	switch code {
	case "NoSuchKey", "NotFound":
		return fmt.Errorf("%s: %w", op, evaluation.ErrNotFound)
	case "NoSuchBucket":
		return s.noBucket(op)
	case "SlowDown", "SlowDownRead", "SlowDownWrite", "ServiceUnavailable", "InternalError", "RequestTimeout", "Throttling", "OperationAborted":
		return s.unavailable(op, code+" "+message)
	case "InvalidAccessKeyId", "InvalidClientTokenId", "XAdminUserNotFound": // the last is versitygw's
		return fmt.Errorf("%s: the object store at %s does not know this key (%s): check AWS_ACCESS_KEY_ID", op, s.cfg.Endpoint, code)
	case "SignatureDoesNotMatch", "AuthorizationHeaderMalformed":
		return fmt.Errorf("%s: the object store at %s does not accept the signature (%s: %s): check AWS_SECRET_ACCESS_KEY and S3_REGION",
			op, s.cfg.Endpoint, code, message)
	case "PermanentRedirect", "TemporaryRedirect", "MovedPermanently", "IllegalLocationConstraintException":
		return fmt.Errorf("%s: bucket %s is not in this region (%s): check S3_ENDPOINT and S3_REGION", op, s.cfg.Bucket, code)
	case "RequestTimeTooSkewed":
		return fmt.Errorf("%s: this machine's clock and that of the object store at %s differ too much: set the clock", op, s.cfg.Endpoint)
	case "AccessDenied", "AllAccessDisabled", "AccountProblem", "ExpiredToken", "InvalidToken":
		return fmt.Errorf("%s: the object store at %s denies access (%s): check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, "+
			"and that the key may read, write, list and delete in bucket %s", op, s.cfg.Endpoint, code, s.cfg.Bucket)
	}
	return fmt.Errorf("%s: object store: %s: %s", op, code, message)
}

func (s *Store) unavailable(op, why string) error {
	return fmt.Errorf("%s: object store at %s: %w: %s", op, s.cfg.Endpoint, evaluation.ErrUnavailable, why)
}

// noBucket is an outage, not a missing object: once the bucket is made, everything works again.
func (s *Store) noBucket(op string) error {
	return fmt.Errorf("%s: object store at %s: %w: there is no bucket %q: make it or check S3_BUCKET", op, s.cfg.Endpoint, evaluation.ErrUnavailable, s.cfg.Bucket)
}

func (s *Store) noAnswer(err error) string {
	if s.cfg.AccessKeyID == "" {
		return cause(err) + " (AWS_ACCESS_KEY_ID is not set, so the credentials of this machine are used)"
	}
	return cause(err)
}

// cause is the part of a transport error that says what happened: the library puts whole sentences before it.
func cause(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Error()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return err.Error()
}
