/** What a subscriber of a session hears: something came in, there is room again, or the session is about to be freed. */
export const SUBSCRIBED_EVENTS = ["rx", "tx", "gone"] as const;
/** One of them. */
export type SubscribedEvent = (typeof SUBSCRIBED_EVENTS)[number];
