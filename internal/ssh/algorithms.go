package ssh

import (
	"slices"

	"golang.org/x/crypto/ssh"
)

// algorithms are those that are offered. The library's own choice has old ones among
// them.
func (d *Dialer) algorithms() ssh.Config {
	good := ssh.SupportedAlgorithms()
	config := ssh.Config{KeyExchanges: good.KeyExchanges, Ciphers: good.Ciphers, MACs: good.MACs}
	if d.Legacy {
		old := ssh.InsecureAlgorithms()
		config.KeyExchanges = append(config.KeyExchanges, old.KeyExchanges...)
		config.Ciphers = append(config.Ciphers, old.Ciphers...)
		config.MACs = append(config.MACs, old.MACs...)
	}
	return config
}

// hostKeyAlgorithms are those of the known keys, or all if there are none to be
// shown. Certificates are not among them.
func (d *Dialer) hostKeyAlgorithms(known []ssh.PublicKey) []string {
	all := []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
	}
	if d.Legacy {
		all = append(all, ssh.KeyAlgoRSA)
	}
	var offered []string
	for _, algorithm := range all {
		if slices.ContainsFunc(known, func(key ssh.PublicKey) bool { return key.Type() == keyType(algorithm) }) {
			offered = append(offered, algorithm)
		}
	}
	if offered == nil {
		return all
	}
	return offered
}

// keyType is the type of the keys that an algorithm signs with.
func keyType(algorithm string) string {
	switch algorithm {
	case ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512:
		return ssh.KeyAlgoRSA
	}
	return algorithm
}
