package devstack

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Objects lists the keys in a bucket of the stack's store that start with prefix.
func (s *Stack) Objects(ctx context.Context, bucket, prefix string) ([]string, error) {
	pages := s3.NewListObjectsV2Paginator(s.storeClient(), &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	var keys []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	return keys, nil
}

func (s *Stack) storeClient() *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(s.S3Endpoint),
		UsePathStyle: true,
		Region:       s.S3Region,
		Credentials:  credentials.NewStaticCredentialsProvider(s.S3AccessKey, s.S3SecretKey, ""),
	})
}
