package evenkeel

// Version is the version of this module, without a leading v. Between releases it is the next one
// with "-dev".
const Version = "0.1.0-dev"
