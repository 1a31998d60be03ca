package sidecar

// Reconnect connects anew, for instance because credentials were renewed. What was asked for is taken back first and what has
// come stays, so that nothing is under way to a connection that ends, where it would be lost until AckWait is over. It returns
// before there is a connection again; once there is, the sources ask again.
func (s *Sidecar) Reconnect() error {
	s.leaving.Store(true)
	defer s.leaving.Store(false)
	s.withdraw()
	s.flush()
	return s.nc.ForceReconnect()
}
