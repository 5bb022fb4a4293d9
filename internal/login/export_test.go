package login

import "time"

// Hasten closes logins sooner after their last channel.
func (p *Pool) Hasten(linger time.Duration) *Pool {
	p.linger = linger
	return p
}
