#include "fuzz_light_report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct report report = { 0 };
	int r = report_read_junit(data, len, &report);

	check_report(r, &report);
	return 0;
}
