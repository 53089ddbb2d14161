package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// This program runs an errand for another of its own when this names one.
const errandEnv = "DEED_BENCH_ERRAND"

// errands are what is done in a process of its own: so that it takes nothing from what is measured but the processor, or
// so that its memory is its own.
var errands = map[string]func(ctx context.Context, in io.Reader, out io.Writer) error{
	"post": serveErrand(post),
	"fill": serveErrand(fillAndWeigh),
}

func serveErrand[In, Out any](do func(context.Context, In) (Out, error)) func(context.Context, io.Reader, io.Writer) error {
	return func(ctx context.Context, in io.Reader, out io.Writer) error {
		var task In
		if err := json.NewDecoder(in).Decode(&task); err != nil {
			return err
		}
		result, err := do(ctx, task)
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(result)
	}
}

// send has an errand run, and waits for what it brings.
func send[Out, In any](ctx context.Context, errand string, task In) (result Out, err error) {
	self, err := os.Executable()
	if err != nil {
		return result, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env, cmd.Stderr = append(os.Environ(), errandEnv+"="+errand), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return result, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return result, err
	}
	if err := cmd.Start(); err != nil {
		return result, err
	}
	err = json.NewEncoder(in).Encode(task)
	if end := in.Close(); err == nil {
		err = end
	}
	if wrong := json.NewDecoder(out).Decode(&result); err == nil {
		err = wrong
	}
	if end := cmd.Wait(); end != nil {
		err = end
	}
	if err != nil {
		return result, fmt.Errorf("errand %s: %w", errand, err)
	}
	return result, nil
}
