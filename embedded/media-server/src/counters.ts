/** What the main thread counts. Plain numbers: read by the metrics endpoint when it is scraped. */
export class ServerCounters {
  sessionsTotal = 0;
  sessionsRejected = 0;
  /** Calls that we placed, and those of them that were not answered. */
  callsPlaced = 0;
  callsPlacedFailed = 0;
  /** INVITEs whose event socket could not be reached or went away before the channel ended. */
  eventSocketLost = 0;
  eslCommands = 0;
  /** Event socket commands that were unknown, malformed, too long or sent without authentication. */
  eslBadCommands = 0;
  eslAuthFailures = 0;
  eslEventsSent = 0;
  /** Events that a client did not get because it does not read. */
  eslEventsLost = 0;
  playsStarted = 0;
  playsNotFound = 0;
  urlFetches = 0;
  urlFetchFailures = 0;
  urlCacheHits = 0;
  dtmfReceived = 0;
  workerRestarts = 0;
  forksStarted = 0;
  /** Milliseconds of audio that a fork's server or the caller did not get because it came faster than it was taken. */
  forkDroppedMs = 0;
}
