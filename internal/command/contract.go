package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nexterm-go/nexterm/internal/contract"
	"github.com/nexterm-go/nexterm/internal/terminal"
)

// contractPatience is how long an answer may take, longer than any operation may.
const contractPatience = 70 * time.Second

func contractCommand() *cobra.Command {
	suite := contract.Suite{Client: &http.Client{Timeout: contractPatience}}
	command := &cobra.Command{
		Use:   "contract",
		Short: "Hold a deployment's answers against the contract; exit 1 if one is outside of it",
		Long: "Send the examples of the contract to a deployment, with things that exist there, and hold every answer against " +
			"the contract. Only what reads is sent, unless --write is given: everything is then, as an administrator made for it, " +
			"and all that is made is deleted, but for its rows in the audit log.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if suite.Token == "-" {
				token, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 4096))
				if err != nil {
					return err
				}
				suite.Token = strings.TrimSpace(string(token))
			}
			var ok, refused, failed int
			err := suite.Run(cmd.Context(), func(o contract.Outcome) {
				verdict := "ok"
				switch {
				case o.Failed():
					failed++
					verdict = "FAILED"
				case o.Succeeded():
					ok++
				default:
					refused++
					verdict = "refused"
				}
				line := fmt.Sprintf("%-7s  %d  %-32s  %s", verdict, o.Status, o.Operation.OperationID, terminal.Clean(reason(o)))
				_, _ = fmt.Fprintln(cmd.OutOrStdout(), strings.TrimRight(line, " "))
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "\n%d operations: %d ok, %d refused as the contract says, %d failed\n", ok+refused+failed, ok, refused, failed)
			if failed > 0 {
				err = errors.New("there are answers outside the contract")
			}
			return err
		},
	}
	command.Flags().StringVar(&suite.URL, "url", "", "where the deployment is, as in https://nexterm.example.com")
	command.Flags().StringVar(&suite.Token, "token", "", "a session token or an API key; - reads it from standard input")
	command.Flags().BoolVar(&suite.Write, "write", false, "also send what writes; takes an administrator's session token")
	for _, name := range []string{"url", "token"} {
		if err := command.MarkFlagRequired(name); err != nil {
			panic(err)
		}
	}
	return command
}

// reason says what is wrong, in the server's words where it has some.
func reason(o contract.Outcome) string {
	switch {
	case o.Succeeded():
		return ""
	case o.Problem != nil:
		return strings.ReplaceAll(o.Problem.Error(), "\n", "; ")
	}
	var failure struct{ Message string }
	_ = json.Unmarshal(o.Body, &failure)
	return failure.Message
}
