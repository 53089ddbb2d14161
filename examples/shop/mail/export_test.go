package mail

import "crypto/x509"

// Trust makes s trust certificates that lead to one of roots.
func (s *SMTP) Trust(roots *x509.CertPool) { s.roots = roots }
