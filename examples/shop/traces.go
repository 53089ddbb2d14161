package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// traces is a file of spans; nil where nothing is traced. A program that sends its spans somewhere has another exporter here.
type traces struct {
	file *os.File
	sdk  *sdk.TracerProvider
}

func openTraces(name string) (*traces, error) {
	if name == "" {
		return nil, nil
	}
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("-trace-file: %w", err)
	}
	exporter, err := stdouttrace.New(stdouttrace.WithWriter(file))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("-trace-file: %w", err), file.Close())
	}
	own := resource.NewSchemaless(attribute.String("service.name", "shop"))
	return &traces{file, sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(own))}, nil
}

// provider is what makes the spans; nil where nothing is traced.
func (t *traces) provider() trace.TracerProvider {
	if t == nil {
		return nil
	}
	return t.sdk
}

// close writes what has not been written yet.
func (t *traces) close() error {
	if t == nil {
		return nil
	}
	return errors.Join(t.sdk.Shutdown(context.Background()), t.file.Close())
}
