package ssh

import "time"

// Hasten gives hosts less time than the constants say.
func (d *Dialer) Hasten(connect, login, keepAlive time.Duration) *Dialer {
	d.connectTime, d.loginTime, d.keepAliveTime = connect, login, keepAlive
	return d
}
