package order

// The bugs that a build with the tag planted has, by what PELTON_PLANTED says.
const (
	bugNoCallBack = "order-without-call-back" // what the last leader had is not taken before what is new
	bugKeyless    = "order-of-other-keys"     // an event begins while another of its key is at work
)
