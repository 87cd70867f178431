package redisstream

import (
	"embed"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/*.lua
var lua embed.FS

// The scripts. Each declares its keys, returns and arguments at its head.
var (
	beatScript     = script("beat")
	claimScript    = script("claim")
	ghostsScript   = script("ghosts")
	ackScript      = script("ack")
	againScript    = script("again")
	setAsideScript = script("set_aside")
	aliveScript    = script("alive")
	leaveScript    = script("leave")
	enqueueScript  = script("enqueue")
	trimScript     = script("trim")
	replaceScript  = script("replace_marker")
)

func script(name string) *redis.Script { return redis.NewScript(scriptText(name)) }

func scriptText(name string) string {
	text, err := lua.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err) // embedded when built
	}
	return string(text)
}
