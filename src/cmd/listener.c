#include "cmd/listener.h"

#include "api/api.h"

#include <stdio.h>
#include <string.h>

int listener_parse(const char *text, struct listener *ret, struct err *err)
{
	static const char option[] = "dialect=";
	size_t len = strcspn(text, ",");
	const char *rest = text + len;

	*ret = (struct listener){ 0 };
	if (len >= sizeof(ret->address))
		return err_refuse(err, ERR_MALFORMED, "config_invalid", "listen",
				  "listen: '%.128s' is too long for an address to listen on", text);
	memcpy(ret->address, text, len);
	if (!*rest)
		return 0;
	rest++;
	if (strncmp(rest, option, sizeof(option) - 1) != 0)
		return err_refuse(err, ERR_MALFORMED, "config_invalid", "listen",
				  "listen: '%.128s': behind an address there can only be dialect=NAME", text);
	ret->prefix = api_dialect_prefix(rest + sizeof(option) - 1);
	if (!ret->prefix)
		return err_refuse(err, ERR_MALFORMED, "config_invalid", "listen",
				  "listen: '%.128s': there is no such dialect; there is: %s", text,
				  api_dialect_names());
	return 0;
}
