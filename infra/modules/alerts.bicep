metadata description = 'The alerts, and whom they tell. Those that ask telemetry stand in alerts.json.'

param actionGroupName string
param location string
param tags { *: string }
param workspaceName string
param topicName string
param workbookName string
param email string

@description('A webhook that is told as well, for instance a flow that posts to Teams; empty: none.')
@secure()
param webhookUrl string

@description('Where the runbook is read. Each alert has a section there, under its name and title.')
param runbookUrl string

@description('Where an alert is explained: its section, whose anchor is the heading in lower case with hyphens for blanks.')
func section(runbookUrl string, name string, title string) string =>
  '${runbookUrl}#${toLower(replace('${name} ${title}', ' ', '-'))}'

var queryAlerts = loadJsonContent('../alerts.json')

// What only the topic itself knows.
var topicAlerts = [
  {
    name: 'event-grid-dead-letters'
    title: 'Event Grid gave events up'
    description: 'Event Grid could not write events to the queue events and put them into the container event-grid-dead-letters.'
    severity: 1
    metric: 'DeadLetteredCount'
    threshold: 0
  }
  {
    name: 'event-grid-dropped-events'
    title: 'Event Grid dropped events'
    description: 'Event Grid could neither deliver events nor keep them as dead letters: they are lost.'
    severity: 0
    metric: 'DroppedEventCount'
    threshold: 0
  }
  {
    name: 'event-grid-delivery-failures'
    title: 'Event Grid does not reach the queue'
    description: 'Event Grid fails again and again to write to the queue events. It keeps trying for 24 hours.'
    severity: 2
    metric: 'DeliveryAttemptFailCount'
    threshold: 5
  }
]

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' existing = {
  name: workspaceName
}

resource topic 'Microsoft.EventGrid/topics@2025-02-15' existing = {
  name: topicName
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' existing = {
  name: workbookName
}

// Where the portal shows it.
var workbookUrl = '${environment().portal}/#@${tenant().tenantId}/resource${workbook.id}/workbook'

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: actionGroupName
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'EventBridge'
    emailReceivers: [{ name: 'operator', emailAddress: email, useCommonAlertSchema: true }]
    webhookReceivers: empty(webhookUrl) ? [] : [{ name: 'webhook', serviceUri: webhookUrl, useCommonAlertSchema: true }]
  }
}

resource queryRules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for alert in queryAlerts: {
    name: alert.name
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: alert.title
      description: '${alert.description} Runbook: ${section(runbookUrl, alert.name, alert.title)} Workbook: ${workbookUrl}'
      severity: alert.severity
      enabled: true
      // The queries ask the workspace's tables, which not every new workspace has before the first row.
      scopes: [workspace.id]
      skipQueryValidation: true
      windowSize: alert.windowMinutes == 2880 ? 'P2D' : 'PT${alert.windowMinutes}M'
      evaluationFrequency: 'PT${alert.frequencyMinutes}M'
      autoMitigate: true
      criteria: {
        allOf: [
          {
            query: alert.query
            timeAggregation: 'Count'
            operator: alert.operator
            threshold: alert.threshold
            // Each has an alert of its own, so that one that lasts hides no other.
            dimensions: map(alert.dimensions, name => { name: name, operator: 'Include', values: ['*'] })
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: [actionGroup.id] }
    }
  }
]

resource metricRules 'Microsoft.Insights/metricAlerts@2018-03-01' = [
  for alert in topicAlerts: {
    name: alert.name
    location: 'global'
    tags: tags
    properties: {
      description: '${alert.title}. ${alert.description} Runbook: ${section(runbookUrl, alert.name, alert.title)} Workbook: ${workbookUrl}'
      severity: alert.severity
      enabled: true
      scopes: [topic.id]
      windowSize: 'PT15M'
      evaluationFrequency: 'PT5M'
      autoMitigate: true
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            criterionType: 'StaticThresholdCriterion'
            name: alert.metric
            metricNamespace: 'Microsoft.EventGrid/topics'
            metricName: alert.metric
            timeAggregation: 'Total'
            operator: 'GreaterThan'
            threshold: alert.threshold
          }
        ]
      }
      actions: [{ actionGroupId: actionGroup.id }]
    }
  }
]
