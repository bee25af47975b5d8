// The public API as JSON, by hand after proto/parley/v1: lowerCamelCase, 64-bit integers as
// strings, enums by name, times as RFC 3339.

export type Medium = 'MEDIUM_UNSPECIFIED' | 'MEDIUM_SMS' | 'MEDIUM_WHATSAPP' | 'MEDIUM_VOICE'

export type Direction = 'DIRECTION_UNSPECIFIED' | 'DIRECTION_INBOUND' | 'DIRECTION_OUTBOUND'

export type Author =
  'AUTHOR_UNSPECIFIED' | 'AUTHOR_CUSTOMER' | 'AUTHOR_AGENT' | 'AUTHOR_AI' | 'AUTHOR_SYSTEM'

export type Kind = 'KIND_UNSPECIFIED' | 'KIND_TEXT' | 'KIND_MMS' | 'KIND_CALL'

export type Status =
  | 'STATUS_UNSPECIFIED'
  | 'STATUS_RECEIVED'
  | 'STATUS_SCHEDULED'
  | 'STATUS_QUEUED'
  | 'STATUS_SENDING'
  | 'STATUS_SENT'
  | 'STATUS_DELIVERED'
  | 'STATUS_READ'
  | 'STATUS_UNDELIVERED'
  | 'STATUS_FAILED'
  | 'STATUS_CANCELED'
  | 'STATUS_UNCONFIRMED'

export type AiState =
  | 'AI_STATE_UNSPECIFIED'
  | 'AI_STATE_OFF'
  | 'AI_STATE_READY'
  | 'AI_STATE_PENDING'
  | 'AI_STATE_TAKEN_OVER'
  | 'AI_STATE_OPTED_OUT'

export type Role = 'ROLE_UNSPECIFIED' | 'ROLE_OWNER' | 'ROLE_ADMIN' | 'ROLE_AGENT' | 'ROLE_VIEWER'

export interface MessageMedia {
  url: string
  contentType: string
}

export interface Message {
  id: string
  conversationId: string
  channelId: string
  seq: string
  direction: Direction
  author: Author
  kind: Kind
  medium: Medium
  body: string
  media: MessageMedia[]
  status: Status
  statusTime?: string
  errorCode: number
  errorMessage: string
  simulated: boolean
  from: string
  to: string
  messageSid: string
  callSid: string
  createTime?: string
  late: boolean
  recovered?: boolean
  callStatus?: string
  callSeconds?: number
  segments: number
  // Only while it is unconfirmed.
  unconfirmed?: Unconfirmed
  // Absent: at once.
  sendTime?: string
  // How often Twilio took it, once it was sent again.
  copies?: number
}

export interface Unconfirmed {
  verdict: 'VERDICT_UNSPECIFIED' | 'VERDICT_OPEN' | 'VERDICT_PROBABLY_NOT_SENT'
  // Oldest first.
  findings: { text: string; time: string }[]
  nextLookTime?: string
}

export type Resolution = 'RESOLUTION_SEND_AGAIN' | 'RESOLUTION_MARK_FAILED'

export interface MessageChange {
  status: Status
  time?: string
  source:
    'SOURCE_UNSPECIFIED' | 'SOURCE_TWILIO' | 'SOURCE_SENDER' | 'SOURCE_PERSON' | 'SOURCE_POLICY'
  actor: string
  attempt: number
  messageSid: string
  errorCode: number
  reason: string
  message: string
}

export interface UnconfirmedList {
  messages: Message[]
  nextPageToken: string
  totalCount: number
}

export interface Conversation {
  id: string
  channelId: string
  contactId: string
  title: string
  customerNumber: string
  medium: Medium
  messageCount: string
  unreadCount: string
  lastMessage?: Message
  updateTime?: string
  // Absent: as the channel says.
  aiEnabled?: boolean
  aiState: AiState
  optedOut: boolean
  whatsappWindowTime?: string
  createTime?: string
  aiError: string
}

export interface Channel {
  id: string
  displayName: string
  phoneNumber: string
  whatsappNumber: string
  media: Medium[]
  accountSid?: string
  autoReply?: string
  autoReplyMode?: AutoReplyMode
  officeHours?: { timeZone: string; intervals: OfficeInterval[] }
  voiceGreeting?: string
  voice?: ChannelVoice
  publicUrl?: string
}

export type AutoReplyMode =
  | 'AUTO_REPLY_MODE_UNSPECIFIED'
  | 'AUTO_REPLY_MODE_OFF'
  | 'AUTO_REPLY_MODE_ALWAYS'
  | 'AUTO_REPLY_MODE_OUT_OF_HOURS'
  | 'AUTO_REPLY_MODE_FIRST_MESSAGE'

// Minutes of the day; Monday is 1.
export interface OfficeInterval {
  weekday: number
  fromMinute: number
  toMinute: number
}

export type VoiceAction =
  'ACTION_UNSPECIFIED' | 'ACTION_NONE' | 'ACTION_VOICEMAIL' | 'ACTION_FORWARD'

export interface ChannelVoice {
  language: string
  voiceName: string
  action: VoiceAction
  forwardNumber: string
  voicemailSecondsMax: number
}

// A webhook whose signature did not verify.
export interface QuarantinedWebhook {
  id: string
  kind: string
  businessNumber: string
  customerNumber: string
  reason: string
  receiveTime?: string
  triedUrls: string[]
  publicUrl: string
  // Whether it would verify now.
  verifies: boolean
}

export interface User {
  id: string
  email: string
  displayName: string
}

export interface Session {
  // Absent for an API key.
  user?: User
  organization?: { id: string; displayName: string }
  role: Role
}

export interface Page<Item> {
  items: Item[]
  // Empty on the last page.
  nextPageToken: string
}

export interface SendMessageRequest {
  // A UUID of ours: sent twice, it is stored once.
  messageId: string
  conversationId: string
  body: string
  // Absent: at once.
  sendTime?: string
}

export interface SimulateInboundMessageRequest {
  messageId: string
  channelId: string
  // E.164; empty: nothing is ever sent to anybody.
  from: string
  medium: Medium
  body: string
}

// The `data` of one server-sent event; one of the three is set.
export interface LiveEvent {
  number: string
  time?: string
  message?: Message
  conversation?: Conversation
  reset?: { after: string }
}
