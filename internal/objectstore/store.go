package objectstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"oktalk/internal/evaluation"
)

const (
	// callTimeout bounds a call with its retries. An object of 10 MB over 4 Mbit/s takes 20 s.
	callTimeout = 30 * time.Second
	// attempts is the first try and two retries.
	attempts = 3
	// dialTimeout leaves time for the retries when packets to the store vanish.
	dialTimeout = 5 * time.Second
	// readyTimeout bounds the check of a readiness probe, which usually has 1 to 5 s.
	readyTimeout = 3 * time.Second
	// maxObject bounds what is read into memory, in bytes: recordings have at most 10 MB.
	maxObject = 64 << 20
	// deleteBatch is the largest number of keys in one call (AWS, DeleteObjects).
	deleteBatch = 1000
)

// Store keeps objects in one bucket. It is safe for concurrent use; calls take 30 s at most, retries included.
type Store struct {
	cfg    Config
	client *s3.Client
	public *s3.PresignClient
	log    *slog.Logger
}

// New makes a Store. It calls nobody: the store may be away.
func New(cfg Config, log *slog.Logger) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.PublicEndpoint == "" {
		cfg.PublicEndpoint = cfg.Endpoint
	}
	if cfg.URLTTL == 0 {
		cfg.URLTTL = defaultURLTTL
	}
	provider, err := credentialsOf(cfg)
	if err != nil {
		return nil, err
	}
	public := s3.NewPresignClient(newClient(cfg, cfg.PublicEndpoint, provider), s3.WithPresignExpires(cfg.URLTTL))
	return &Store{cfg: cfg, client: newClient(cfg, cfg.Endpoint, provider), public: public, log: log}, nil
}

func credentialsOf(cfg Config) (aws.CredentialsProvider, error) {
	if cfg.AccessKeyID != "" {
		return credentials.NewStaticCredentialsProvider(cfg.AccessKeyID, cfg.SecretAccessKey, ""), nil
	}
	usual, err := awsconfig.LoadDefaultConfig(context.Background(), awsconfig.WithRegion(cfg.Region))
	if err != nil {
		return nil, fmt.Errorf("read AWS's own configuration, since AWS_ACCESS_KEY_ID is empty: %w", err)
	}
	return usual.Credentials, nil
}

func newClient(cfg Config, endpoint string, provider aws.CredentialsProvider) *s3.Client {
	transport := awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout }).
		WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = 64 })
	return s3.New(s3.Options{
		BaseEndpoint:               aws.String(endpoint),
		Region:                     cfg.Region,
		Credentials:                provider,
		UsePathStyle:               true, // a bucket as a host name needs DNS and certificates that other stores lack
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
		HTTPClient:                 transport,
		// Without the library's budget for retries, which stays empty for a while after an outage and hides its cause.
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.RateLimiter = attempts, ratelimit.None }),
	})
}

// Put stores an object, replacing one of the same key.
func (s *Store) Put(ctx context.Context, key, contentType string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.cfg.Bucket, Key: &key, ContentType: &contentType,
		Body:          bytes.NewReader(body), // seekable: without TLS the signature covers the body
		ContentLength: aws.Int64(int64(len(body))),
	})
	return s.translate(ctx, "put "+key, err)
}

// Get reads an object and its content type. It returns [evaluation.ErrNotFound] if there is none.
func (s *Store) Get(ctx context.Context, key string) (body []byte, contentType string, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	object, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.cfg.Bucket, Key: &key})
	if err != nil {
		return nil, "", s.translate(ctx, "get "+key, err)
	}
	defer func() { _ = object.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(object.Body, maxObject+1))
	if err != nil {
		return nil, "", s.translate(ctx, "get "+key, err)
	}
	if len(body) > maxObject {
		return nil, "", fmt.Errorf("get %s: larger than %d bytes", key, maxObject)
	}
	return body, aws.ToString(object.ContentType), nil
}

// Exists reports whether there is an object.
func (s *Store) Exists(ctx context.Context, key string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.cfg.Bucket, Key: &key})
	err = s.translate(ctx, "look for "+key, err)
	if errors.Is(err, evaluation.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// DeletePrefix deletes all objects whose keys begin with prefix, which must end with "/". It repeats until a listing is empty, so
// objects that are written meanwhile are deleted too; none at all is not an error. On an error some may be left. Old versions in a
// bucket with versioning stay: they are a matter of the bucket's life cycle rules.
func (s *Store) DeletePrefix(ctx context.Context, prefix string) error {
	if !strings.HasSuffix(prefix, "/") || strings.Trim(prefix, "/") == "" {
		return fmt.Errorf("delete all under %q: the prefix must name a folder and end with a slash", prefix)
	}
	for {
		n, err := s.deleteSome(ctx, prefix)
		if err != nil || n == 0 {
			return err
		}
	}
}

// deleteSome deletes a first page of objects and returns their number.
func (s *Store) deleteSome(ctx context.Context, prefix string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	page, err := s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
		Bucket: &s.cfg.Bucket, Prefix: &prefix, MaxKeys: aws.Int32(deleteBatch),
	})
	if err != nil {
		return 0, s.translate(ctx, "list "+prefix, err)
	}
	if len(page.Contents) == 0 {
		return 0, nil
	}
	batch := &types.Delete{Quiet: aws.Bool(true)}
	for _, object := range page.Contents {
		batch.Objects = append(batch.Objects, types.ObjectIdentifier{Key: object.Key})
	}
	reply, err := s.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &s.cfg.Bucket, Delete: batch})
	if err != nil {
		return 0, s.translate(ctx, "delete "+prefix, err)
	}
	if len(reply.Errors) > 0 {
		e := reply.Errors[0]
		return 0, s.translateCode("delete "+aws.ToString(e.Key), aws.ToString(e.Code), aws.ToString(e.Message))
	}
	return len(batch.Objects), nil
}

// Presign makes a URL by which anybody can read an object until expiresAt, without a call: the object need not exist. downloadName is
// the file name a browser offers when it saves the audio; empty means that of the key.
func (s *Store) Presign(ctx context.Context, key, downloadName string) (url string, expiresAt time.Time, err error) {
	in := &s3.GetObjectInput{Bucket: &s.cfg.Bucket, Key: &key}
	if downloadName != "" {
		in.ResponseContentDisposition = aws.String(mime.FormatMediaType("inline", map[string]string{"filename": downloadName}))
	}
	now := time.Now()
	request, err := s.public.PresignGetObject(ctx, in)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("presign %s: %w", key, err)
	}
	return request.URL, now.Add(s.cfg.URLTTL).UTC().Truncate(time.Second), nil
}

// EnsureBucket makes the bucket unless there is one.
func (s *Store) EnsureBucket(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := s.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &s.cfg.Bucket})
	if err == nil {
		return nil
	}
	if err := s.translate(ctx, "look for bucket "+s.cfg.Bucket, err); !errors.Is(err, evaluation.ErrNotFound) {
		return err
	}
	in := &s3.CreateBucketInput{Bucket: &s.cfg.Bucket}
	if s.cfg.Region != "us-east-1" { // AWS takes that region only by leaving it out
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(s.cfg.Region)}
	}
	_, err = s.client.CreateBucket(ctx, in)
	if _, ok := errors.AsType[*types.BucketAlreadyOwnedByYou](err); ok { // another process was faster
		return nil
	}
	if err != nil {
		return s.translate(ctx, "make bucket "+s.cfg.Bucket, err)
	}
	s.log.Info("bucket made", "bucket", s.cfg.Bucket)
	return nil
}

// Ready reports whether the bucket can be reached with the credentials, within 3 s.
func (s *Store) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	op := "look for bucket " + s.cfg.Bucket
	_, err := s.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &s.cfg.Bucket})
	if err = s.translate(ctx, op, err); !errors.Is(err, evaluation.ErrNotFound) {
		return err
	}
	// An answer to HEAD has no body, and some stores say 404 for an unknown key too: a listing says what is missing.
	_, err = s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &s.cfg.Bucket, MaxKeys: aws.Int32(1)})
	return s.translate(ctx, op, err)
}
