package objectstore

import (
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Config says where the store is.
type Config struct {
	// Endpoint is the URL at which processes reach the store; default http://127.0.0.1:7070. That of AWS is
	// https://s3.<region>.amazonaws.com.
	Endpoint string `env:"S3_ENDPOINT" envDefault:"http://127.0.0.1:7070"`
	// PublicEndpoint is the URL at which clients reach it, named in presigned URLs. Empty, the default, means Endpoint.
	PublicEndpoint string `env:"S3_PUBLIC_ENDPOINT"`
	// Bucket is the bucket; default oktalk.
	Bucket string `env:"S3_BUCKET" envDefault:"oktalk"`
	// Region is part of every signature; default us-east-1.
	Region string `env:"S3_REGION" envDefault:"us-east-1"`
	// AccessKeyID is the key. If it and SecretAccessKey are empty, AWS's usual sources are asked: files, role of the machine.
	AccessKeyID string `env:"AWS_ACCESS_KEY_ID"`
	// SecretAccessKey is its secret.
	SecretAccessKey string `env:"AWS_SECRET_ACCESS_KEY"`
	// URLTTL is how long presigned URLs work; default 72 h, at most 168 h, the limit of signature version 4. Zero means the
	// default. With the temporary credentials of a role they end with those, if that is earlier.
	URLTTL time.Duration `env:"S3_URL_TTL" envDefault:"72h"`
}

const (
	defaultURLTTL = 72 * time.Hour
	maxURLTTL     = 168 * time.Hour // AWS, "Authenticating Requests: Using Query Parameters", X-Amz-Expires
)

// Validate reports all that is wrong with the settings.
func (c Config) Validate() error {
	errs := []error{checkEndpoint("S3_ENDPOINT", c.Endpoint)}
	if c.PublicEndpoint != "" {
		errs = append(errs, checkEndpoint("S3_PUBLIC_ENDPOINT", c.PublicEndpoint))
	}
	if c.Bucket == "" {
		errs = append(errs, errors.New("S3_BUCKET is empty: name the bucket"))
	}
	if c.Region == "" {
		errs = append(errs, errors.New("S3_REGION is empty: name the region; stores other than AWS take us-east-1"))
	}
	if (c.AccessKeyID == "") != (c.SecretAccessKey == "") {
		errs = append(errs, errors.New("only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set: set both or neither"))
	}
	if c.URLTTL < 0 || c.URLTTL > maxURLTTL || c.URLTTL > 0 && c.URLTTL < time.Second {
		errs = append(errs, fmt.Errorf("S3_URL_TTL is %v: want 1s to %v", c.URLTTL, maxURLTTL))
	}
	return errors.Join(errs...)
}

func checkEndpoint(name, value string) error {
	u, err := url.Parse(value)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("%s is %q: want a URL such as http://localhost:7070", name, value)
	}
	return nil
}
