package httpapi

import "encoding/base64"

// A cursor names the last item of a page. It is encoded so that clients do not build their own.

const cursorVersion = "1:"

func encodeCursor(id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorVersion + id))
}

func decodeCursor(cursor string) (id string, err error) {
	if cursor == "" {
		return "", nil
	}
	malformed := invalid("cursor is not one of this list. Use next_cursor of the page before, unchanged.")
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) < len(cursorVersion) || string(b[:len(cursorVersion)]) != cursorVersion {
		return "", malformed
	}
	if id, err = evaluationID(string(b[len(cursorVersion):])); err != nil {
		return "", malformed
	}
	return id, nil
}
