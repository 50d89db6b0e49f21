cat kept; echo more >more || echo there is no room
