/*
 * The files of the pages, which tools/embed-folder puts into the program: what `web/` is built into, or one plain
 * page where it could not be built.
 */
#ifndef KILN_API_PAGE_FILES_H
#define KILN_API_PAGE_FILES_H

struct page_file {
	const char *path; /* "/", "/node", "/assets/playground-4NBDIVVG.js" */
	const char *type; /* its Content-Type */
	const char *hash; /* of its content, hexadecimal */
	const unsigned char *plain;
	const unsigned long *plain_size;
	const unsigned char *gzip; /* the same, compressed */
	const unsigned long *gzip_size;
};

extern const struct page_file page_files[];
extern const unsigned long page_files_count;

#endif
