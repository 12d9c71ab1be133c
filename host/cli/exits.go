package cli

// exitAnnotation holds a verb's own exit codes.
const exitAnnotation = "exit"

// exits are a verb's exit codes for its help and its manual page; what all have
// in common is added.
func exits(lines string) map[string]string {
	return map[string]string{exitAnnotation: lines + commonExits}
}

// ExitCodes is the text for a command's annotations; a command without one of
// its own has odpm's.
func ExitCodes(annotations map[string]string) string {
	if own := annotations[exitAnnotation]; own != "" {
		return own
	}
	return rootExits + commonExits
}

const rootExits = `  0    done
  1    failed, or the result could not be written
  2    usage
  3    refused: drift not accepted, something odpm does not touch unasked, or your "no"
`

const commonExits = `  130  interrupted
  141  standard output was closed by its reader (odpm … | head)
`
