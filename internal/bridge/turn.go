package bridge

import "net/http"

// callInTurn makes a call unless too many callers wait already.
func (s *Server) callInTurn(w http.ResponseWriter, r *http.Request, t target, body []byte) *problem {
	return s.inTurn(func() *problem { return s.call(w, r, t, body) })
}

// inTurn lets a caller wait unless too many do already. Who waits may wait for long, and his connection cannot give way: the half of
// them is left to everybody else.
func (s *Server) inTurn(wait func() *problem) *problem {
	most := max(1, s.cfg.MaxConns/2)
	defer s.waiting.Add(-1)
	if s.waiting.Add(1) > int64(most) {
		return kindTooManyCalls.refuse("%d callers wait for answers of functions, and no more may. Send it again later.", most).retryLater()
	}
	return wait()
}
