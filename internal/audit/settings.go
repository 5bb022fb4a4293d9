package audit

import (
	"encoding/json"
	"fmt"

	"github.com/nexterm-go/nexterm/gen/api"
)

// MergeSettings reads the stored audit settings of an organization over the
// defaults; only what was ever changed is stored.
func MergeSettings(stored []byte) (api.AuditSettings, error) {
	settings := api.AuditSettings{
		EnableFileOperationAudit:             true,
		EnableServerConnectionAudit:          true,
		EnableIdentityManagementAudit:        true,
		EnableIdentityCredentialsAccessAudit: true,
		EnableServerManagementAudit:          true,
		EnableFolderManagementAudit:          true,
		EnableScriptExecutionAudit:           true,
		EnableAIOperationAudit:               true,
		RecordingRetentionDays:               90,
	}
	if err := json.Unmarshal(stored, &settings); err != nil {
		return settings, fmt.Errorf("read audit settings: %w", err)
	}
	return settings, nil
}
