package bridge

import "strings"

// refuseCall says what it means for a caller that a function has no answer for him. What a handler said as its reason is his to know:
// it is what he would have been told without a queue in between.
func refuseCall(code, reason string) *problem {
	const again = "It may have done some of its work."
	switch code {
	case "rejected":
		return kindRejected.refuse("The function does not take the request: %s", sentence(reason))
	case "undecodable":
		return kindRejected.refuse("The request cannot be read as an event: %s", sentence(reason))
	case "timeout", "expired":
		return kindNoAnswer.refuse("The function has not answered in time. " + again)
	case "response-too-large":
		return kindBadAnswer.refuse("The function has answered more than it may: %s. "+again, sentence(reason))
	case "retry":
		return kindFailed.refuse("The function asks for another try, and there is none: %s", sentence(reason)).retryLater()
	}
	return kindBrokenCall.refuse("The function broke off without an answer (%s). "+again, clip(code))
}

// sentence makes a handler's reason part of a detail.
func sentence(reason string) string {
	const maxReason = 512
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "") + "..."
	}
	return strings.ToValidUTF8(reason, "\uFFFD")
}
