package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	headerTimeout   = 10 * time.Second
	idleTimeout     = 2 * time.Minute
	answerTimeout   = 2 * time.Minute // longer than any wait; who follows has its own
	maxHeader       = 64 << 10
	shutdownTimeout = 15 * time.Second
)

// Serve listens on addr and answers until ctx is done. Then it ends streams, lets other requests come to their end, for at
// most 15 seconds, and returns nil. The gateway is stopped for good after that (see Stop).
//
// Without an Authorizer it serves loopback addresses only, and refuses any other.
func Serve(ctx context.Context, addr string, gw *Gateway) error {
	resolved, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return fmt.Errorf("serve %s: %w", addr, err)
	}
	if err := gw.mayServe(resolved); err != nil {
		return fmt.Errorf("serve %s: %w", addr, err)
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", resolved.String())
	if err != nil {
		return fmt.Errorf("serve %s: %w", addr, err)
	}
	host, _, _ := net.SplitHostPort(addr) // resolved before
	if resolved.IP == nil || resolved.IP.IsUnspecified() {
		host = "" // every address of the machine, which is no name
	}
	return serve(ctx, l, gw, host)
}

// ServeListener is Serve on a listener, which it closes: for a port that the system chose, or a socket in the file system.
func ServeListener(ctx context.Context, l net.Listener, gw *Gateway) error {
	return serve(ctx, l, gw, "")
}

func serve(ctx context.Context, l net.Listener, gw *Gateway, host string) error {
	if err := gw.mayServe(l.Addr()); err != nil {
		_ = l.Close()
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	server := &http.Server{
		Handler:           gw.reached(hostOf(host)),
		ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, WriteTimeout: answerTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(gw.options.Logger.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		gw.Stop()
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	gw.Stop()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		gw.options.Logger.Warn("requests were cut off", "error", err)
		_ = server.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	return nil
}

// mayServe refuses addresses that other machines reach, where nobody is asked who may do what.
func (g *Gateway) mayServe(addr net.Addr) error {
	if g.options.Authorizer != nil {
		return nil
	}
	switch a := addr.(type) {
	case *net.UnixAddr:
		return nil // the file system says who may
	case *net.TCPAddr:
		if a.IP.IsLoopback() {
			return nil
		}
	}
	return errors.New("without an Authorizer only a loopback address is served; set Options.Authorizer, to gateway.AllowAll if everybody may do everything")
}
