package testkit

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Migrate brings the schema of a database up to date, as postgres.Migrate does. It is an argument here because the tests
// of package postgres use this package too.
type Migrate func(ctx context.Context, databaseURL string) error

// template is the migrated database that the others are copied from: that takes a fifth of a second whatever the number of
// migrations. It is a package variable for the same reason as the servers.
var template struct {
	once sync.Once
	err  error
}

const templateName = "oktalk_template"

// Database is the URL of a new migrated database, dropped when the test ends. The first test of a program migrates, so all
// pass the same function. A nil one gives an empty database.
func Database(t testing.TB, migrate Migrate) string {
	t.Helper()
	from := "template0"
	if migrate != nil {
		makeTemplate(t, migrate)
		from = templateName
	}
	name := "t" + unique()
	create := fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s", name, from)
	if err := admin(context.Background(), Servers(t).DatabaseURL, create); err != nil {
		t.Fatalf("make a database: %v", err)
	}
	t.Cleanup(func() {
		if err := admin(context.Background(), Servers(t).DatabaseURL, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop the database: %v", err)
		}
	})
	return databaseURL(t, name)
}

func makeTemplate(t testing.TB, migrate Migrate) {
	t.Helper()
	url := databaseURL(t, templateName)
	template.once.Do(func() {
		template.err = errors.New("it ended early") // for the others, should migrate not return
		if template.err = admin(context.Background(), Servers(t).DatabaseURL, "CREATE DATABASE "+templateName); template.err == nil {
			template.err = migrate(context.Background(), url)
		}
	})
	if template.err != nil {
		t.Fatalf("migrate the template database: %v", template.err)
	}
}

// admin runs one statement outside a transaction.
func admin(ctx context.Context, url, statement string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

// databaseURL is the address of another database of the shared server.
func databaseURL(t testing.TB, name string) string {
	t.Helper()
	u, err := url.Parse(Servers(t).DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// Store says how a bucket is reached.
type Store struct {
	Endpoint  string // http://host:port
	Region    string
	Bucket    string
	AccessKey string
	SecretKey string
}

// Bucket is a new, empty bucket.
func Bucket(t testing.TB) Store {
	t.Helper()
	s := Servers(t)
	name := "t-" + unique()
	if err := s.CreateBucket(context.Background(), name); err != nil {
		t.Fatalf("make a bucket: %v", err)
	}
	return Store{Endpoint: s.S3Endpoint, Region: s.S3Region, Bucket: name, AccessKey: s.S3AccessKey, SecretKey: s.S3SecretKey}
}
