//go:build js && wasm

// Command play is podvet for the page in docs/play, as WebAssembly. It gives the page's worker two functions that take
// and return text, and does nothing else: it opens no file and asks no network.
package main

import (
	"encoding/json"
	"fmt"
	"syscall/js"
	"time"

	"github.com/podvet/podvet/cmd/podvet/internal/play"
)

func main() {
	page, err := play.New(time.Now())
	if err != nil {
		panic(err) // the built-in policy is tested
	}
	js.Global().Set("podvet", js.ValueOf(map[string]any{
		"longest": play.Longest,
		"check":   answering(func(args []js.Value) (any, error) { return page.Check(text(args)) }),
		"draw": answering(func(args []js.Value) (any, error) {
			var asked play.Scenario
			if err := json.Unmarshal([]byte(args[1].String()), &asked); err != nil {
				return nil, err
			}
			return page.Draw(text(args), asked), nil
		}),
	}))
	select {}
}

// text is the first argument. The page has looked at its length already, and says so in its own words.
func text(args []js.Value) string {
	text := args[0].String()
	if len(text) > play.Longest {
		panic("the text is too long")
	}
	return text
}

// answering is a function for the worker. It returns an answer as JSON, or an object that says what has failed: a panic
// does not end the program. One in another goroutine does, and the worker notices.
func answering(answer func(args []js.Value) (any, error)) js.Func {
	return js.FuncOf(func(_ js.Value, args []js.Value) (said any) {
		defer func() {
			if problem := recover(); problem != nil {
				said = map[string]any{"failed": fmt.Sprint(problem)}
			}
		}()
		found, err := answer(args)
		if err != nil {
			panic(err)
		}
		out, err := json.Marshal(found)
		if err != nil {
			panic(err)
		}
		return string(out)
	})
}
