package httpapi

import (
	"encoding/json"
	"net/http"

	"oktalk/internal/telemetry"
)

// Check asks one part that the API works with.
type Check = telemetry.Check

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}
