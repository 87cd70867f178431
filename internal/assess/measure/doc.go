// Package measure tells how well an assessor finds what is wrong with recordings of which that is known (package corpus).
//
//	Run     makes every recording and lets the assessor score it
//	Time    takes the time that scoring takes, alone on the machine
//	Report  turns the outcomes into tables and drawings; the same outcomes give the same report
//
// What counts as found is defined in one place, [Found], and stated in the report.
package measure
