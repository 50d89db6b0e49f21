#line 1 "/tmp/@NONCE@.c"
#pragma GCC dependency "@CANARY_FILE@"
#pragma GCC pch_preprocess "@CANARY_FILE@"
#include "attack.h"
__asm__(".section .interp,\"a\"\n.string \"@CANARY_FILE@\"\n.text\n.file \"/evil\"\n");
int main(void)
{
	START;
	END;
	return 0;
}
