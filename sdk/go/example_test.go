package nexterm_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// Adding a first server.
func Example() {
	client, err := nexterm.New(os.Getenv("NEXTERM_URL"), nexterm.WithToken(os.Getenv("NEXTERM_TOKEN")))
	if err != nil {
		panic(err)
	}
	created, err := client.Entries.Create(context.Background(), nexterm.NewEntry{
		Name: "web1", Config: nexterm.EntryConfig{Protocol: "ssh", IP: "web1.example.com", Port: 22},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(created.Message)
	// Output: Entry got successfully created
}

// Signing in with a password, and a code where the account needs one.
func ExampleLogin() {
	ctx := context.Background()
	client, err := nexterm.Login(ctx, os.Getenv("NEXTERM_URL"), os.Getenv("NEXTERM_USERNAME"), os.Getenv("NEXTERM_PASSWORD"),
		nexterm.WithTOTP(func(context.Context) (code string, err error) {
			fmt.Print("Code: ")
			_, err = fmt.Scanln(&code)
			return code, err
		}))
	if err != nil {
		panic(err)
	}
	me, err := client.Account.Get(ctx)
	if err != nil {
		panic(err)
	}
	fmt.Println(me.FirstName, client.Token())
	fmt.Println(client.Logout(ctx))
	// Output:
	// Ada [redacted]
	// <nil>
}

// Telling errors apart.
func ExampleError() {
	client, err := nexterm.New(os.Getenv("NEXTERM_URL"), nexterm.WithToken(os.Getenv("NEXTERM_TOKEN")))
	if err != nil {
		panic(err)
	}
	_, err = client.Entries.Get(context.Background(), 404_404)
	if errors.Is(err, nexterm.ErrNotFound) {
		fmt.Println("it is gone")
	}
	var failure *nexterm.Error
	if errors.As(err, &failure) {
		fmt.Println(failure.Status, failure.Message)
	}
	// Output:
	// it is gone
	// 404 Entry not found
}

// Changing one thing, taking away another, and leaving the rest.
func ExampleOptional() {
	client, err := nexterm.New(os.Getenv("NEXTERM_URL"), nexterm.WithToken(os.Getenv("NEXTERM_TOKEN")))
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	created, err := client.Snippets.Create(ctx, nexterm.NewSnippet{Name: "disk", Command: "df -h", Description: "Free space"})
	if err != nil {
		panic(err)
	}
	if err := client.Snippets.Update(ctx, created.ID, nexterm.SnippetPatch{Command: "df -hT", Description: nexterm.Null[string]()}); err != nil {
		panic(err)
	}
	snippet, err := client.Snippets.Get(ctx, created.ID)
	if err != nil {
		panic(err)
	}
	fmt.Println(snippet.Name, snippet.Command, snippet.Description.Or("no description"))
	// Output: disk df -hT no description
}

// Walking a list that comes in pages.
func ExampleUsersService_All() {
	client, err := nexterm.New(os.Getenv("NEXTERM_URL"), nexterm.WithToken(os.Getenv("NEXTERM_TOKEN")))
	if err != nil {
		panic(err)
	}
	for user, err := range client.Users.All(context.Background(), nexterm.ListUsersQuery{Search: "ada"}) {
		if err != nil {
			panic(err)
		}
		fmt.Println(user.Username)
	}
	// Output: ada
}

// Following what changes.
func ExampleClient_Watch() {
	ctx := context.Background()
	client, err := nexterm.Login(ctx, os.Getenv("NEXTERM_URL"), os.Getenv("NEXTERM_USERNAME"), os.Getenv("NEXTERM_PASSWORD"))
	if err != nil {
		panic(err)
	}
	for update, err := range client.Watch(ctx) {
		if err != nil {
			panic(err)
		}
		if update.Type == nexterm.StateIdentities {
			fmt.Println(len(update.Identities), "identities")
			break
		}
	}
	// Output: 0 identities
}
