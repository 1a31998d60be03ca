package function

import "encoding/json"

// Trigger is what makes events for a function. Exactly one field is set.
//
// +kubebuilder:validation:ExactlyOneOf=event;schedule;http
// +kubebuilder:object:generate=true
type Trigger struct {
	// Events of a stream.
	Event *EventTrigger `json:"event,omitempty"`
	// One event at each time that a cron expression names.
	Schedule *ScheduleTrigger `json:"schedule,omitempty"`
	// Requests for a path.
	HTTP *HTTPTrigger `json:"http,omitempty"`
}

// EventTrigger subscribes to subjects of a stream.
//
// +kubebuilder:object:generate=true
type EventTrigger struct {
	// The stream. Default: EVENTS, which holds events.>
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'^[\pL\pM\pN\pP\pS]+$') && !self.matches(r'[.*>/\\]') && bytes(self).size() <= 255`,message="it is not a stream name: want letters, digits, - and _"
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('PELTON_')",message="streams PELTON_* are reserved for Pelton"
	Stream string `json:"stream,omitempty"`
	// NATS subjects: * is one word, > is one or more at the end. No two of one trigger may overlap.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:items:XValidation:rule=`bytes(self).size() <= 255`,message="it has more than 255 bytes"
	// +kubebuilder:validation:items:XValidation:rule=`self.matches(r'^[\pL\pM\pN\pP\pS]+$') && !self.contains('\uFFFD')`,message="it has a space or a character that cannot be printed"
	// +kubebuilder:validation:items:XValidation:rule=`self.matches(r'^((\*|[^.*>]+)\.)*(\*|>|[^.*>]+)$')`,message="want words joined by dots; * is a word of its own, and > the last one"
	// +kubebuilder:validation:items:XValidation:rule=`!self.matches(r'^(pelton|_INBOX[^.]*|_R_|_GR_)([.]|$)')`,message="it is reserved for Pelton or for NATS"
	// +kubebuilder:validation:items:XValidation:rule=`!self.startsWith('$') || self.matches(r'^\$(KV|O)([.]|$)')`,message="it is reserved for the NATS server"
	Subjects []string `json:"subjects"`
	// CEL over event and data: only events for which it is true are taken. Default: all.
	// +kubebuilder:validation:MaxLength=16384
	// +kubebuilder:validation:XValidation:rule=`bytes(self).size() <= 16384`,message="it has more than 16384 bytes"
	Filter string `json:"filter,omitempty"`
}

// ScheduleTrigger makes one event at each time its cron expression names.
//
// +kubebuilder:object:generate=true
type ScheduleTrigger struct {
	// minute hour day-of-month month day-of-week, or @hourly, @daily, @weekly, @monthly, @yearly.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule=`self in ['@hourly', '@daily', '@weekly', '@monthly', '@yearly'] || self.matches(r'^[\s\v\pZ\x{85}]*([*?]|0*[0-5]?[0-9](-0*[0-5]?[0-9])?)(/0*[1-9][0-9]*)?(,([*?]|0*[0-5]?[0-9](-0*[0-5]?[0-9])?)(/0*[1-9][0-9]*)?)*[\s\v\pZ\x{85}]+([*?]|0*([01]?[0-9]|2[0-3])(-0*([01]?[0-9]|2[0-3]))?)(/0*[1-9][0-9]*)?(,([*?]|0*([01]?[0-9]|2[0-3])(-0*([01]?[0-9]|2[0-3]))?)(/0*[1-9][0-9]*)?)*[\s\v\pZ\x{85}]+([*?]|0*([1-9]|[12][0-9]|3[01])(-0*([1-9]|[12][0-9]|3[01]))?)(/0*[1-9][0-9]*)?(,([*?]|0*([1-9]|[12][0-9]|3[01])(-0*([1-9]|[12][0-9]|3[01]))?)(/0*[1-9][0-9]*)?)*[\s\v\pZ\x{85}]+([*?]|(0*([1-9]|1[0-2])|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))(-(0*([1-9]|1[0-2])|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)))?)(/0*[1-9][0-9]*)?(,([*?]|(0*([1-9]|1[0-2])|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))(-(0*([1-9]|1[0-2])|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)))?)(/0*[1-9][0-9]*)?)*[\s\v\pZ\x{85}]+([*?]|(0*[0-6]|(?i:sun|mon|tue|wed|thu|fri|sat))(-(0*[0-6]|(?i:sun|mon|tue|wed|thu|fri|sat)))?)(/0*[1-9][0-9]*)?(,([*?]|(0*[0-6]|(?i:sun|mon|tue|wed|thu|fri|sat))(-(0*[0-6]|(?i:sun|mon|tue|wed|thu|fri|sat)))?)(/0*[1-9][0-9]*)?)*[\s\v\pZ\x{85}]*$')`,message="want minute hour day month weekday, such as 0 3 * * *, or @hourly, @daily, @weekly, @monthly, @yearly"
	Cron string `json:"cron"`
	// IANA name. Default: UTC.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$`
	// +kubebuilder:validation:XValidation:rule="self != 'Local'",message="Local is another zone on each machine"
	TimeZone string `json:"timeZone,omitempty"`
	// The event's data: any JSON. Default: none.
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +nullable
	Data json.RawMessage `json:"data,omitempty"`
}

// HTTPTrigger turns requests for a path into events in the function's own queue.
//
// +kubebuilder:validation:XValidation:rule="!has(self.webhook) || !has(self.methods) || self.methods.all(m, m == 'POST')",message="providers send webhooks by POST",fieldPath=".methods"
// +kubebuilder:validation:XValidation:rule="!has(self.webhook) || !has(self.mode) || self.mode == 'async'",message="a webhook is answered as soon as it is stored",fieldPath=".mode"
// +kubebuilder:validation:XValidation:rule="!has(self.webhook) || !has(self.maxBody) || size(self.maxBody) == 0",message="a webhook is verified as a whole, in memory",fieldPath=".maxBody"
// +kubebuilder:validation:XValidation:rule="!has(self.webhook) || !has(self.callbacks)",message="the provider of a webhook asks for no result",fieldPath=".callbacks"
// +kubebuilder:object:generate=true
type HTTPTrigger struct {
	// Letters, digits and -._~ between slashes. /* at the end takes in everything below; the longest path wins. No two
	// functions may share path and method.
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^/(\*|[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*(/\*)?)?$`
	// +kubebuilder:validation:XValidation:rule=`!self.matches(r'/\.\.?(/|$)')`,message="it has the segment . or .."
	// +kubebuilder:validation:XValidation:rule=`!self.matches('^/(events|invocations|healthz|livez|readyz|metrics|debug|pelton)(/|$)')`,message="it is reserved: Pelton itself answers there"
	Path string `json:"path"`
	// Default: POST.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=5
	// +kubebuilder:validation:items:Enum=GET;POST;PUT;PATCH;DELETE
	Methods []string `json:"methods,omitempty"`
	// async answers 202 once the event is stored; sync answers with what the handler says. Default: async.
	// +kubebuilder:validation:Enum=async;sync
	Mode string `json:"mode,omitempty"`
	// How large a body may be, in Mi or Gi. What is larger than 1Mi is kept beside the queue, and streamed to the handler. Default: 1Mi.
	// +kubebuilder:validation:MaxLength=6
	// +kubebuilder:validation:Pattern=`^(|([1-9][0-9]{0,2}|[1-3][0-9]{3}|40[0-8][0-9]|409[0-6])Mi|[1-4]Gi)$`
	MaxBody string `json:"maxBody,omitempty"`
	// Takes what a provider has signed, and nothing else. Default: none.
	Webhook *Webhook `json:"webhook,omitempty"`
	// Where callers who do not wait may have the result sent. Default: nowhere.
	Callbacks *Callbacks `json:"callbacks,omitempty"`
}

// When a request is answered: with ModeAsync once the event is stored, by a 202; with ModeSync by the handler's answer.
const (
	ModeAsync = "async"
	ModeSync  = "sync"
)
