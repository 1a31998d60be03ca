package bridge

import (
	"net/http"

	"github.com/pelton-dev/pelton/internal/event"
)

// The kinds of problems, by status. The problems of single attributes have codes of their own: see package event.
var (
	kindInvalidEvent   = kind{http.StatusBadRequest, "invalid-event", "The event is not valid"}
	kindNotAnEvent     = kind{http.StatusBadRequest, "not-an-event", "The request is not a CloudEvent"}
	kindTypeNotSubject = kind{http.StatusBadRequest, "type-is-no-subject", "The event's type cannot be used as a subject"}
	kindIdempotencyKey = kind{http.StatusBadRequest, "invalid-idempotency-key", "The Idempotency-Key is not valid"}
	kindBadBody        = kind{http.StatusBadRequest, "malformed-body", "The request body cannot be read"}
	kindBadCallback    = kind{http.StatusBadRequest, "invalid-callback", "The callback is not valid"}
	kindQuery          = kind{http.StatusBadRequest, "invalid-query", "The query is not valid"}
	kindTokenInQuery   = kind{http.StatusBadRequest, "token-in-query", "A token must not be part of the URL"}
	kindBadRequest     = kind{http.StatusBadRequest, "malformed-request", "The request is not valid HTTP"}

	kindWebhook       = kind{http.StatusBadRequest, "invalid-webhook", "The request is not a webhook of this provider"}
	kindSignature     = kind{http.StatusUnauthorized, "invalid-signature", "The webhook's signature is not valid"}
	kindWebhookSecret = kind{http.StatusServiceUnavailable, "webhook-secret-missing", "The webhook cannot be verified at the moment"}

	kindUnauthorized  = kind{http.StatusUnauthorized, "unauthorized", "A valid token is needed"}
	kindForbidden     = kind{http.StatusForbidden, "forbidden", "The caller may not do this"}
	kindRateLimited   = kind{http.StatusTooManyRequests, "rate-limited", "The caller asks too often"}
	kindCrossOrigin   = kind{http.StatusForbidden, "cross-origin", "Requests from other web sites are refused"}
	kindWebhookOrigin = kind{http.StatusForbidden, "webhook-origin", "The webhook's origin is not allowed"}

	kindNotFound       = kind{http.StatusNotFound, "not-found", "Nothing is here"}
	kindInvalidSubject = kind{http.StatusNotFound, "invalid-subject", "The path is not a valid subject"}
	kindMethod         = kind{http.StatusMethodNotAllowed, "method-not-allowed", "The method is not allowed here"}
	kindSlowBody       = kind{http.StatusRequestTimeout, "body-timeout", "The request body came too slowly"}

	kindResultTooLarge = kind{http.StatusNotFound, "result-too-large", "The answer was too large to be kept"}

	kindBodyTooLarge  = kind{http.StatusRequestEntityTooLarge, "body-too-large", "The request body is too large"}
	kindEventTooLarge = kind{http.StatusRequestEntityTooLarge, "event-too-large", "The event is too large"}
	kindBatchTooLarge = kind{http.StatusRequestEntityTooLarge, event.CodeBatchTooLarge, "The batch has too many events"}

	kindEncoding = kind{
		http.StatusUnsupportedMediaType, "unsupported-content-encoding",
		"The body must not be compressed",
	}
	kindMediaType = kind{
		http.StatusUnsupportedMediaType, event.CodeUnsupportedMediaType,
		"The media type is not supported",
	}
	kindExpectation     = kind{http.StatusExpectationFailed, "unsupported-expectation", "The Expect header cannot be met"}
	kindMisdirected     = kind{http.StatusMisdirectedRequest, "host-not-allowed", "The Host header names another server"}
	kindTooManyFields   = kind{http.StatusRequestHeaderFieldsTooLarge, "header-too-large", "The request header is too large"}
	kindTooManyFromHere = kind{
		http.StatusTooManyRequests, "too-many-connections",
		"There are too many connections from this address",
	}

	kindInternal         = kind{http.StatusInternalServerError, "internal-error", "Something went wrong here"}
	kindTransferEncoding = kind{
		http.StatusNotImplemented, "unsupported-transfer-encoding",
		"The transfer encoding is not supported",
	}
	kindVersion      = kind{http.StatusHTTPVersionNotSupported, "unsupported-version", "The HTTP version is not supported"}
	kindNoKeys       = kind{http.StatusServiceUnavailable, "issuer-unavailable", "The token cannot be checked at the moment"}
	kindUnavailable  = kind{http.StatusServiceUnavailable, "store-unavailable", "Events cannot be stored at the moment"}
	kindBatchCall    = kind{http.StatusBadRequest, "batch-call", "A batch of events has no answer"}
	kindCallback     = kind{http.StatusUnprocessableEntity, "callback-not-allowed", "The function does not allow this callback"}
	kindRejected     = kind{http.StatusUnprocessableEntity, "rejected", "The function does not take the request"}
	kindBrokenCall   = kind{http.StatusBadGateway, "call-failed", "The function gave no answer"}
	kindBadAnswer    = kind{http.StatusBadGateway, "bad-answer", "The function's answer cannot be passed on"}
	kindFailed       = kind{http.StatusServiceUnavailable, "call-not-done", "The function could not do it now"}
	kindNoAnswer     = kind{http.StatusGatewayTimeout, "no-answer-in-time", "The function has not answered in time"}
	kindNotFinished  = kind{http.StatusConflict, "not-finished", "The call is not finished"}
	kindFull         = kind{http.StatusServiceUnavailable, "store-full", "The stream takes no more events at the moment"}
	kindStoreTimeout = kind{http.StatusServiceUnavailable, "store-timeout", "The event was not stored in time"}
	kindNoRoom       = kind{http.StatusServiceUnavailable, "too-many-bodies", "There is no memory for the body at the moment"}
	kindTooManyCalls = kind{http.StatusServiceUnavailable, "too-many-calls", "Too many callers wait for answers"}
	kindTooMany      = kind{http.StatusServiceUnavailable, "too-many-connections", "There are too many connections"}
)
