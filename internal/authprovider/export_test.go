package authprovider

// What reads a provider's words, for tests that choose them.
var (
	CheckEndpoints = checkEndpoints
	Reason         = reason
)
