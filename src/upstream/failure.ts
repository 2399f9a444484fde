/**
 * Why a vendor could not be reached or did not finish.
 *
 * | kind | what happened |
 * |---|---|
 * | `connect` | name not resolved, refused, proxy gave no tunnel |
 * | `tls` | handshake failed, certificate not trusted, expired, or of another host |
 * | `connect_timeout` | one connection attempt took too long |
 * | `first_byte_timeout` | sent, but no response head in time |
 * | `idle_timeout` | the response began and then stopped coming |
 * | `total_timeout` | the call as a whole took too long |
 * | `closed` | the connection or the client closed before the response was complete |
 * | `protocol` | not HTTP/1.1, or the handler could not digest the response |
 * | `aborted` | not told by transports: who aborts knows; for owners that report their own abort |
 * | `pool_full` | no connection became free in time, or too many calls wait for one |
 */
export interface UpstreamFailure {
  readonly kind:
    | 'connect'
    | 'tls'
    | 'connect_timeout'
    | 'first_byte_timeout'
    | 'idle_timeout'
    | 'total_timeout'
    | 'closed'
    | 'protocol'
    | 'aborted'
    | 'pool_full';
  /** Fit for a client's eyes: never holds a header, a key or a part of a body. */
  readonly message: string;
}
