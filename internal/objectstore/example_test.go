package objectstore_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"

	"oktalk/internal/objectstore"
)

func Example() {
	store, err := objectstore.New(objectstore.Config{
		Endpoint:       "http://s3:7070",        // where processes reach the store
		PublicEndpoint: "http://localhost:7070", // where clients do
		Bucket:         "oktalk", Region: "us-east-1", AccessKeyID: "key", SecretAccessKey: "secret",
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	signed, _, err := store.Presign(context.Background(), "demo/apples.mp3", "apples.mp3")
	if err != nil {
		fmt.Println(err)
		return
	}
	u, _ := url.Parse(signed)
	fmt.Println(u.Host, u.Path, u.Query().Get("X-Amz-Expires"))
	// Output: localhost:7070 /oktalk/demo/apples.mp3 259200
}
