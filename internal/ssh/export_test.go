package ssh

import (
	"context"
	"time"

	"golang.org/x/crypto/ssh"
)

// Hasten gives hosts less time than the constants say.
func (d *Dialer) Hasten(connect, login, keepAlive time.Duration) *Dialer {
	d.connectTime, d.loginTime, d.keepAliveTime = connect, login, keepAlive
	return d
}

// Unlocked opens the private key of a hop.
func (d *Dialer) Unlocked(ctx context.Context, hop Hop) (ssh.Signer, error) {
	return d.unlocked.open(ctx, hop.Owner, hop.PrivateKey, hop.Passphrase)
}

// Affordable and Laborious bound what is done with private keys.
var (
	Affordable = affordable
	Laborious  = laborious
)

// Spare makes d dial an address no more than so often in a minute.
func (d *Dialer) Spare(dials int) *Dialer {
	d.maxDials = dials
	return d
}
