const HOST_PORT = /^(?:[\w.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;

/** Whether the text is a host name or address, IPv6 in brackets, with or without a port, as it stands in a SIP URI (RFC 3261 §25.1). */
export const isHostPort = (text: string): boolean => HOST_PORT.test(text);
