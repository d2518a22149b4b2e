// Events of the data path: records without payload whose argument is the session's index. They are put and told apart by
// number, never by the encoder and decoder of the other messages. Literals, so that the build writes them out.

/** To the application: bytes or datagrams came in. Sent only if has-event of the rx fifo was not set. */
export const IO_RX = 0;
/** To the stack: bytes or datagrams were written. Sent only if has-event of the tx fifo was not set. */
export const IO_TX = 1;
/** To the application: there is room again in the tx fifo, for which it had asked. */
export const IO_TX_ROOM = 39;
/** To the stack: the application took bytes of the rx fifo, for which the stack had asked. */
export const IO_RX_DEQUEUED = 40;
