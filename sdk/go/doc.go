// Package nexterm is a client of nexterm servers: connection entries, sealed
// identities, organizations, and all else that the API has.
//
// [New] makes a client with a token; [Login] and [LoginWithDevice] sign in first. The
// operations are methods of services such as client.Entries, with one name for all SDKs:
//
//	client, err := nexterm.New("https://nexterm.example.com", nexterm.WithToken(token))
//	if err != nil {
//		return err
//	}
//	entries, err := client.Entries.List(ctx)
//
// # Values
//
// A field that is left out of a request is left as it is, or as the server chooses: the
// zero value says so wherever it means nothing else. An [Optional] says more: [Value]
// sets it, [Null] takes away what is there, and reading it with Get or Or tells
// whether there is a value. Texts that nobody else is to see are a [Secret], which
// does not print.
//
// # Errors
//
// Every call fails with an [*Error], and [errors.Is] knows what it is about:
// [ErrNotFound], [ErrConflict] and the others.
//
// # Retries
//
// Calls are repeated after a random pause, four times at most: those that only read
// when the server is away or the answer was lost; all others only when nothing was
// sent, or the server has turned them away with 429. A Retry-After of up to 30 seconds
// is waited for. See [WithRetries].
package nexterm

// Version is the SDK's.
const Version = "0.1.0"
