package devstack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// startS3 starts the object store unless one was named, and makes the bucket.
func (s *Stack) startS3(ctx context.Context, cfg Config, program string) error {
	if s.S3Endpoint == "" {
		if err := s.startGateway(ctx, cfg.State, program); err != nil {
			return err
		}
	}
	if err := s.CreateBucket(ctx, s.Bucket); err != nil {
		return fmt.Errorf("create bucket %s at %s: %w", s.Bucket, s.S3Endpoint, err)
	}
	return nil
}

func (s *Stack) startGateway(ctx context.Context, state *State, program string) (err error) {
	if s.S3AccessKey, err = state.Secret("s3_access_key"); err != nil {
		return err
	}
	if s.S3SecretKey, err = state.Secret("s3_secret_key"); err != nil {
		return err
	}
	p, port, err := startOnPort(ctx, state, "s3", func(port int) (*Process, error) {
		return s.gateway(state, program, port)
	})
	if err != nil {
		return err
	}
	s.S3, s.S3Endpoint = p, "http://"+loopback(port)
	return nil
}

func (s *Stack) gateway(state *State, program string, port int) (*Process, error) {
	cmd, err := command(state, "s3")
	if err != nil {
		return nil, err
	}
	data, meta := state.Path("s3", "data"), state.Path("s3", "meta")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for S3: %w", err)
	}
	cmd.Path, cmd.Dir = program, state.Path("s3")
	cmd.Args = []string{"--port", loopback(port), "--region", s.S3Region, "--keep-alive", "--quiet", "posix"}
	ok, err := keepsAttributes(data)
	if err != nil {
		return nil, err
	}
	if !ok {
		if err := os.MkdirAll(meta, 0o700); err != nil {
			return nil, fmt.Errorf("make the folder for S3: %w", err)
		}
		cmd.Args = append(cmd.Args, "--sidecar", meta)
	}
	cmd.Args = append(cmd.Args, data)
	cmd.Env = append(cmd.Env, "ROOT_ACCESS_KEY_ID="+s.S3AccessKey, "ROOT_SECRET_ACCESS_KEY="+s.S3SecretKey)
	cmd.Ready = func(ctx context.Context) error { return answers(ctx, "http://"+loopback(port)) }
	return NewProcess(cmd), nil
}

// answers reports whether an HTTP server answers at all.
func answers(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// CreateBucket makes a bucket in the stack's store; one that exists is left as it is.
func (s *Stack) CreateBucket(ctx context.Context, name string) error {
	client := s.storeClient()
	if _, err := client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &name}); err == nil {
		return nil
	}
	_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name})
	if _, mine := errors.AsType[*types.BucketAlreadyOwnedByYou](err); mine {
		return nil
	}
	return err
}
