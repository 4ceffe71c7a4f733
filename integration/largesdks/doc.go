// Package largesdks holds the tests of those sections of docs/sdks.md whose SDKs take minutes to
// compile: openai-go, anthropic-sdk-go and Elasticsearch. They have the build tag largesdks, which
// integration/run sets and .ci/run does not.
package largesdks
