// Package s3_test runs the AWS SDK's S3 client and minio-go over httpx against gofakes3, which
// answers 503, resets connections and loses replies: what the clients get with the library,
// without it, and by their own retries, and how many requests the server sees. With -short one
// upload and download of each client is tested.
package s3_test
